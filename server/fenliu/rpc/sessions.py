"""Presence sessions: who holds which, until when. Leases live here, on this process's monotonic clock.

A session outlives its stream: a dropped stream changes nobody until the lease runs out. Nothing here
is logged; what the engine logs are a session's updates and its expiry. May not know what a status means.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import random
from collections.abc import Awaitable, Callable, Iterable

import grpc

from fenliu.rpc.errors import Refusal, refusal

log = logging.getLogger(__name__)

RETRY_EXPIRY_S = 1.0
HEARTBEAT_JITTER = 0.1

Expire = Callable[[str, str], Awaitable[None]]
"""Makes (shop_id, session_id) expire, durably; raises when that cannot be done now."""


class Session:
    """One session: its lease, the shops it spoke of, and the stream that may speak for it."""

    __slots__ = ("deadline", "session_id", "shops", "stream", "timer")

    def __init__(self, session_id: str, shops: Iterable[str] = ()) -> None:
        self.session_id = session_id
        self.shops = set(shops)
        self.stream: object | None = None
        self.deadline = 0.0
        self.timer: asyncio.TimerHandle | None = None


class Sessions:
    """The sessions of this process."""

    def __init__(
        self, *, token_key: bytes, lease_ms: int, heartbeat_ms: int, expire: Expire
    ) -> None:
        self.lease_ms = lease_ms
        self._heartbeat_ms = heartbeat_ms
        self._token_key = token_key
        self._expire = expire
        self._sessions: dict[str, Session] = {}
        self._expiring: set[asyncio.Task[None]] = set()

    def restore(self, known: Iterable[tuple[str, str]]) -> None:
        """Of these logged (session id, shop id), those that nobody holds here get one full lease."""
        for session_id, shop_id in known:
            session = self._sessions.get(session_id)
            if session is None:
                session = self._sessions[session_id] = Session(session_id)
                self.renew(session)
            session.shops.add(shop_id)

    def open(self, session_id: str, resume_token: str, stream: object) -> tuple[Session, bool]:
        """The session for a hello, and whether it was alive; `stream` speaks for it from now on.

        Raises Refusal (PERMISSION_DENIED) for a token of another session, and for a live session
        without its token.
        """
        session = self._sessions.get(session_id)
        if (resume_token or session) and not hmac.compare_digest(
            resume_token.encode(), self.token(session_id).encode()
        ):
            raise _not_yours()
        resumed = session is not None
        if session is None:
            session = self._sessions[session_id] = Session(session_id)
        session.stream = stream
        self.renew(session)
        return session, resumed

    def renew(self, session: Session) -> None:
        """Starts the lease anew."""
        loop = asyncio.get_running_loop()
        session.deadline = loop.time() + self.lease_ms / 1_000
        if session.timer is None:
            session.timer = loop.call_at(session.deadline, self._check, session)

    def token(self, session_id: str) -> str:
        """The resume token: only this data directory can make it, so it survives restarts unlogged."""
        mac = hmac.digest(self._token_key, session_id.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def heartbeat_ms(self) -> int:
        """The heartbeat asked of one session, jittered so that they spread."""
        jitter = random.uniform(-HEARTBEAT_JITTER, HEARTBEAT_JITTER)  # noqa: S311 - no secret
        return max(1, round(self._heartbeat_ms * (1 + jitter)))

    async def close(self) -> None:
        """Stops all timers. Sessions stay as they are in the log and get a full lease next time."""
        for session in self._sessions.values():
            if session.timer is not None:
                session.timer.cancel()
        self._sessions.clear()
        for task in self._expiring:
            task.cancel()
        await asyncio.gather(*self._expiring, return_exceptions=True)

    def _check(self, session: Session) -> None:
        # Renewals only move the deadline; the timer finds out here, once a lease.
        loop = asyncio.get_running_loop()
        if loop.time() < session.deadline:
            session.timer = loop.call_at(session.deadline, self._check, session)
            return
        session.timer = None
        del self._sessions[session.session_id]
        session.stream = None
        task = loop.create_task(self._run_expiry(session))
        self._expiring.add(task)
        task.add_done_callback(self._expiring.discard)

    async def _run_expiry(self, session: Session) -> None:
        for shop_id in sorted(session.shops):
            # A client that came back meanwhile has the session again, and its shops with it.
            while session.session_id not in self._sessions:
                try:
                    await self._expire(shop_id, session.session_id)
                    break
                except Exception:
                    log.warning("session %s: expiry put off", session.session_id, exc_info=True)
                    await asyncio.sleep(RETRY_EXPIRY_S)
            else:
                self._sessions[session.session_id].shops.add(shop_id)


def _not_yours() -> Refusal:
    rule = "not the token of this session"
    return refusal(
        grpc.StatusCode.PERMISSION_DENIED,
        "RESUME_TOKEN_MISMATCH",
        f"hello.resume_token: {rule}",
        field="hello.resume_token",
        rule=rule,
    )
