"""Whom each buyer of a shop consulted last (docs/engine.md sections 2, 13).

A live buyer - with an open conversation or a waiting entry - has the contact here; when the buyer stops
being live, it goes to the recent generation.
"""

from fenliu.engine.pure import keys
from fenliu.engine.pure.generations import Generations
from fenliu.engine.pure.keys import Entry
from fenliu.engine.pure.parts import Contact


class Contacts:
    """Contacts, whether they still exist or not."""

    __slots__ = ("_buyer_of_live", "_learned", "live")

    def __init__(self, learned: Generations) -> None:
        self.live: dict[str, Contact | None] = {}  # every live buyer's; None: has none
        self._buyer_of_live: dict[int, str] = {}  # by the conversation of a live buyer's contact
        self._learned = learned

    def of(self, buyer_id: str) -> Contact | None:
        if buyer_id in self.live:
            return self.live[buyer_id]
        found = self._learned.find(keys.of_buyer(buyer_id))
        return keys.contact_of(found) if found is not None else None

    def buyer_of(self, conversation: int) -> str | None:
        """The buyer whose contact is, or was, of this conversation."""
        buyer_id = self._buyer_of_live.get(conversation)
        if buyer_id is None:
            found = self._learned.find(keys.of_conversation(conversation))
            buyer_id = found[1].decode() if found is not None else None
        return buyer_id

    def put(self, buyer_id: str, contact: Contact) -> None:
        """In place of the one the buyer had."""
        if buyer_id in self.live:
            self._drop_live(buyer_id)
            self._put_live(buyer_id, contact)
        else:
            self._learn(buyer_id, contact)

    def comes_alive(self, buyer_id: str) -> None:
        """The buyer has an open conversation or a waiting entry, perhaps not the first."""
        if buyer_id not in self.live:
            self._put_live(buyer_id, self.of(buyer_id))

    def leaves(self, buyer_id: str) -> None:
        """The buyer has neither any more."""
        contact = self._drop_live(buyer_id)
        if contact is not None:
            self._learn(buyer_id, contact)

    def to_store(self, learned: list[tuple[bytes, Entry]]) -> list[tuple[bytes, Entry]]:
        """Without contacts of live buyers, and conversations that are no contact's any more."""
        conversation_of = {
            key[1:]: value[:8]
            for key, (_, value) in learned
            if key[:1] == keys.CONTACT and key[1:].decode() not in self.live
        }

        def counts(key: bytes, entry: Entry) -> bool:
            if key[:1] == keys.CONTACT:
                return key[1:] in conversation_of
            return key[:1] != keys.CONVERSATION or conversation_of.get(entry[1]) == key[1:]

        return [(key, entry) for key, entry in learned if counts(key, entry)]

    # --- What a command needs ---

    def missing(self, buyer_id: str) -> list[bytes]:
        """Ids of the chunks that must be there to know the buyer's contact."""
        return [] if buyer_id in self.live else self._learned.missing(keys.of_buyer(buyer_id))

    def missing_of_conversation(self, conversation: int) -> list[bytes]:
        """The same for the buyer whose contact is, or was, of this conversation, and that contact."""
        if conversation in self._buyer_of_live:
            return []
        missing = self._learned.missing(keys.of_conversation(conversation))
        if missing:
            return missing
        buyer_id = self.buyer_of(conversation)
        return self.missing(buyer_id) if buyer_id is not None else []

    # --- Inside ---

    def _learn(self, buyer_id: str, contact: Contact) -> None:
        self._learned.put(keys.of_buyer(buyer_id), keys.contact_entry(contact))
        of_conversation = contact.consulted_at_ms, buyer_id.encode()
        self._learned.put(keys.of_conversation(contact.conversation), of_conversation)

    def _put_live(self, buyer_id: str, contact: Contact | None) -> None:
        self.live[buyer_id] = contact
        if contact is not None:
            self._buyer_of_live[contact.conversation] = buyer_id

    def _drop_live(self, buyer_id: str) -> Contact | None:
        contact = self.live.pop(buyer_id, None)
        if contact is not None:
            self._buyer_of_live.pop(contact.conversation, None)
        return contact
