"""What ``seed-demo`` makes: who there is, what they offer, and what they say to each other."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw

PASSWORD = "spotter-demo"  # noqa: S105 - everybody knows it
# Mail to it goes nowhere (RFC 2606).
DOMAIN = "demo.invalid"

CATEGORIES: dict[str, tuple[str, ...]] = {
    "Strength": ("Powerlifting", "Kettlebells", "Calisthenics"),
    "Yoga": ("Vinyasa", "Hatha", "Prenatal"),
    "Endurance": ("Running", "Cycling", "Triathlon"),
    "Combat sports": ("Boxing", "Muay Thai"),
}


@dataclass(frozen=True)
class Trainer:
    """``offers``: subcategories by category. ``hours``: by day, windows on the wall. ``price``: of one session."""

    login: str
    name: str
    city: str
    country: str
    zone: str
    studio: str
    years: int
    offers: dict[str, tuple[str, ...]]
    hours: dict[str, tuple[tuple[str, str], ...]]
    price: int
    minutes: int
    color: tuple[int, int, int]


_EARLY = (("06:00", "12:00"),)
_OFFICE = (("09:00", "12:00"), ("14:00", "18:00"))
_LATE = (("16:00", "22:00"),)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

TRAINERS = (
    Trainer(
        "maya", "Maya Lindqvist", "Stockholm", "Sweden", "Europe/Stockholm", "Järnet", 11,
        {"Strength": ("Powerlifting", "Kettlebells")}, dict.fromkeys(_WEEKDAYS, _OFFICE), 7500, 60, (178, 58, 72),
    ),
    Trainer(
        "arjun", "Arjun Mehta", "London", "United Kingdom", "Europe/London", "Still Room", 8,
        {"Yoga": ("Vinyasa", "Hatha")}, dict.fromkeys((*_WEEKDAYS, "Saturday"), _EARLY), 5500, 75, (72, 120, 166),
    ),
    Trainer(
        "lucia", "Lucía Fernández", "Madrid", "Spain", "Europe/Madrid", "Kilómetro Cero", 5,
        {"Endurance": ("Running", "Triathlon")}, dict.fromkeys(("Tuesday", "Thursday", "Sunday"), _EARLY), 4800, 60,
        (226, 142, 60),
    ),
    Trainer(
        "deshawn", "DeShawn Carter", "New York", "United States", "America/New_York", "Southpaw Gym", 14,
        {"Combat sports": ("Boxing",), "Strength": ("Calisthenics",)}, dict.fromkeys(_WEEKDAYS, _LATE), 9500, 45,
        (58, 64, 90),
    ),
    Trainer(
        "yuki", "Yuki Tanaka", "Tokyo", "Japan", "Asia/Tokyo", "Harmony", 9,
        {"Yoga": ("Prenatal", "Hatha")}, dict.fromkeys(("Monday", "Wednesday", "Saturday"), _OFFICE), 6200, 60,
        (104, 148, 96),
    ),
)  # fmt: skip

# Login, name, zone, color.
CLIENTS = (
    ("ana", "Ana Costa", "Europe/Lisbon", (200, 110, 140)),
    ("ben", "Ben Okafor", "Europe/London", (90, 140, 150)),
    ("chloe", "Chloé Martin", "Europe/Paris", (150, 120, 190)),
)

# Client, trainer, and what they write, "c" the client and "t" the trainer; with ``PICTURE`` a picture goes along.
PICTURE = "[picture]"
CONVERSATIONS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("ana", "maya", (
        ("c", "Hi Maya! I'd like to learn the deadlift from scratch. Do you take beginners?"),
        ("t", "Hello Ana, gladly. Have you had any trouble with your back?"),
        ("c", "Years ago, nothing since."),
        ("t", "Then we begin light and film every set. Book a free trial and bring flat shoes 👟"),
        ("t", f"This is the room. {PICTURE}"),
        ("c", "Booked. See you!"),
    )),
    ("ana", "arjun", (
        ("c", "Is the morning class outdoors in summer?"),
        ("t", "On dry days, in the park behind the studio."),
    )),
    ("ben", "deshawn", (
        ("c", "What do I need for a first boxing session?"),
        ("t", "Wraps. Gloves I have in every size."),
        ("c", f"Are these all right? {PICTURE}"),
        ("t", "Perfect."),
    )),
    ("chloe", "lucia", (
        ("c", "I want to run a half marathon in spring, from zero. Realistic?"),
        ("t", "From zero in five months: yes, if we keep the first six weeks slow."),
        ("c", "Slow I can do 😅"),
    )),
)  # fmt: skip

# Client and trainer of a free trial each.
TRIALS = (("ana", "maya"), ("ben", "deshawn"))


def picture(letters: str, color: tuple[int, int, int], size: int = 640) -> bytes:
    """A JPEG: a soft gradient, a disc and up to two letters."""
    light = tuple(min(255, part + 70) for part in color)
    gradient = Image.linear_gradient("L").resize((size, size))
    image = Image.composite(Image.new("RGB", (size, size), color), Image.new("RGB", (size, size), light), gradient)
    draw = ImageDraw.Draw(image)
    edge = size // 5
    draw.ellipse((edge, edge, size - edge, size - edge), fill=(250, 248, 244))
    draw.text((size / 2, size / 2), letters, fill=color, anchor="mm", font_size=size // 4)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()
