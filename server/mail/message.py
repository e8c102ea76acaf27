"""From our Mail to the message that travels."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

from domain.mails import Mail


def address_of(text: str) -> Address:
    """``Name <address>`` or an address alone; raises ValueError for anything that would not stay one address."""
    name, spec = parseaddr(text)
    if any(character in text for character in "\r\n\0"):
        raise ValueError("a mail address must stay on one line")
    local, at, domain = spec.rpartition("@")
    if not (local and at and domain):
        raise ValueError("not a mail address")
    return Address(display_name=name, username=local, domain=domain)


def to_message(mail: Mail, sender: Address) -> EmailMessage:
    """Raises ValueError for a recipient or a subject that would break out of its header."""
    recipient = address_of(mail.to)
    if recipient.addr_spec.strip('"') != mail.to:
        raise ValueError("the recipient has to be one plain address")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message
