"""What is supposed of some agents while a script is played, which no setting can say (docs/engine.md section 14)."""


class Supposed:
    """Of nobody anything, unless said."""

    __slots__ = ("agent_ids", "busy_met", "never_busy", "without_contacts")

    def __init__(
        self,
        agent_ids: frozenset[str] = frozenset(),
        *,
        without_contacts: bool = False,
        never_busy: bool = False,
    ) -> None:
        self.agent_ids = agent_ids
        self.without_contacts = without_contacts
        self.never_busy = never_busy
        self.busy_met = False  # one of them was found busy

    def passes_over(self, agent_id: str) -> bool:
        """Whether step 3 does not find this agent."""
        return self.without_contacts and agent_id in self.agent_ids

    def is_at_ease(self, agent_id: str) -> bool:
        """Whether this agent, who is busy, is weighed as if not. Notes that one was met."""
        if agent_id not in self.agent_ids:
            return False
        self.busy_met = True
        return self.never_busy


NOTHING = Supposed()
