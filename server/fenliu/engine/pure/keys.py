"""What stands in generations and segments: keys, values, and when an entry exists (docs/engine.md sections 2, 13)."""

from typing import NamedTuple, TypeAlias

from fenliu.engine.pure.parts import Contact, Remembered

Entry: TypeAlias = tuple[int, bytes]
"""(time in Unix ms, value): what stands under a key."""

ID_LIFETIME_MS = 86_400_000
"""So long a request or an event is remembered."""

CONTACT, CONVERSATION, EVENT, ORDER_EVENT, REQUEST = b"b", b"c", b"e", b"o", b"r"
KINDS = frozenset(b"bceor")
_CONTACTS = frozenset(b"bc")
_DIGEST_BYTES = 16


class Horizon(NamedTuple):
    """Up to when what is kept exists, at a time."""

    now_ms: int
    contact_lifetime_ms: int
    contacts_since_ms: int  # 0: no such limit

    def contact(self, consulted_at_ms: int) -> bool:
        """Whether a contact of this time exists."""
        if self.contacts_since_ms and consulted_at_ms < self.contacts_since_ms:
            return False
        return self.now_ms - consulted_at_ms <= self.contact_lifetime_ms

    def remembered(self, at_ms: int) -> bool:
        """Whether an id remembered then still is."""
        return self.now_ms - at_ms <= ID_LIFETIME_MS

    def entry(self, key: bytes, at_ms: int) -> bool:
        """Whether what stands under the key exists."""
        return self.contact(at_ms) if key[0] in _CONTACTS else self.remembered(at_ms)

    def anything(self, newest_ms: int) -> bool:
        """Whether anything can exist of what is not newer than this."""
        return self.remembered(newest_ms) or self.contact(newest_ms)


# --- Keys --------------------------------------------------------------------------------------


def of_buyer(buyer_id: str) -> bytes:
    return CONTACT + buyer_id.encode()


def of_conversation(number: int) -> bytes:
    return CONVERSATION + number.to_bytes(8, "big")


def of_event(event_id: str) -> bytes:
    return EVENT + event_id.encode()


def of_order_event(event_id: str) -> bytes:
    return ORDER_EVENT + event_id.encode()


def of_request(request_id: str) -> bytes:
    return REQUEST + request_id.encode()


# --- Entries -----------------------------------------------------------------------------------


def contact_entry(contact: Contact) -> Entry:
    value = contact.conversation.to_bytes(8, "big") + contact.agent_id.encode()
    return contact.consulted_at_ms, value


def contact_of(entry: Entry) -> Contact:
    at_ms, value = entry
    return Contact(value[8:].decode(), at_ms, int.from_bytes(value[:8], "big"))


def request_entry(request: Remembered) -> Entry:
    return request.at_ms, request.digest + request.reply


def request_of(entry: Entry) -> Remembered:
    at_ms, value = entry
    return Remembered(value[:_DIGEST_BYTES], at_ms, value[_DIGEST_BYTES:])
