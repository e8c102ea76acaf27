"""A mail as the message that is handed in (RFC 5322): headers, text and HTML, the way out, and the invitation."""

from __future__ import annotations

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

from handlers.mail_rendering import Invitation, Mail
from server.mail.invitation import calendar_of, method_of


def address_of(text: str) -> Address:
    """``Name <address>`` or an address alone; raises ValueError for anything that would not stay one address."""
    name, spec = parseaddr(text)
    if any(character in text for character in "\r\n\0"):
        raise ValueError("a mail address must stay on one line")
    local, at, domain = spec.rpartition("@")
    if not (local and at and domain):
        raise ValueError("not a mail address")
    return Address(display_name=name, username=local, domain=domain)


def to_message(mail: Mail, sender: Address, public_url: str | None = None) -> EmailMessage:
    """``public_url``: where people reach the server, for links to it; without one there are none.

    Raises ValueError for a recipient or a subject that would break out of its header.
    """
    recipient = address_of(mail.to)
    if recipient.addr_spec.strip('"') != mail.to:
        raise ValueError("the recipient has to be one plain address")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = _message_id(mail, sender.domain)
    # Nothing answers these: neither absence notes nor lists (RFC 3834), and those who do not know it (Exchange).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    unsubscribe_url = None
    if mail.unsubscribe is not None and public_url is not None:
        unsubscribe_url = public_url + mail.unsubscribe
        message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.written("txt", unsubscribe_url))
    message.add_alternative(mail.written("html", unsubscribe_url), subtype="html")
    if mail.invitation is not None:
        _invite(message, mail, mail.invitation, sender)
    return message


def _invite(message: EmailMessage, mail: Mail, invitation: Invitation, sender: Address) -> None:
    """The last alternative is the one that calendar programs take (RFC 6047)."""
    message.add_alternative(
        calendar_of(invitation, mail.to, sender),
        maintype="text",
        subtype="calendar",
        params={"method": method_of(invitation), "charset": "utf-8"},
    )


def _message_id(mail: Mail, domain: str) -> str:
    """Whoever receives a mail twice, because an answer was lost, knows by it that it is one."""
    if mail.key is None:
        return make_msgid(domain=domain)
    return f"<{hashlib.sha256(mail.key.encode()).hexdigest()[:40]}@{domain}>"
