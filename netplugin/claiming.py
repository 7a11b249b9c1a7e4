"""The claim of a name and its addresses in the zones, update by update, each undone where a later one fails."""

import contextlib
import dataclasses
import typing
from collections.abc import Callable

from netplugin import deadline, model, pairs, registration, store


class Update(typing.Protocol):
    """What is changed in DNS (netplugin.update)."""

    def send(self, change: registration.Change, server: model.Server) -> bool: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The steps over their leaves, with the mark's `text`; `withdraw` takes a registration out of the zones."""

    store: store.Store
    update: Update
    text: str
    count: Callable[[str], None]
    withdraw: Callable[[registration.Registration], None]

    def begin(self, wish: registration.Registration, at: pairs.Address | None) -> bool:
        """Write the wish down, unless somebody here has an address; the endpoint `at` one, whose it will be, may."""
        with self.store.transaction() as transaction:
            others = [(row.network_id, row.addresses) for row in self.store.registrations()]
            others += [(e.network_id, e.addresses) for e in self.store.endpoints() if at is None or e.address != at]
            busy = {address for owner, given in others if owner == wish.network_id for address in given}
            if not busy.isdisjoint(wish.addresses):
                return False
            transaction.register(wish)
        return True

    def take(self, wish: registration.Registration) -> bool:
        """Claim addresses and name, all or nothing; False where an address is another's."""
        left = None
        for change in registration.claim_pointers(wish, self.text):
            if not self._step(change, wish, left):
                self.count("register.collided")
                return False
            left = wish if left else dataclasses.replace(wish, address6=None)
        with contextlib.ExitStack() as undo:
            undo.callback(deadline.undo, self.withdraw, wish)
            if not (
                self.update.send(registration.claim_name(wish, self.text), wish.server)
                or self.update.send(registration.redirect(wish, self.text), wish.server)
            ):
                raise _foreign(wish)
            with self.store.transaction() as transaction:
                transaction.register(dataclasses.replace(wish, phase=registration.Phase.HELD))
            undo.pop_all()
        return True

    def _step(
        self, change: registration.Change, wish: registration.Registration, left: registration.Registration | None
    ) -> bool:
        """Make an update. Where it changes nothing, what is `left` of the steps before it is taken back.

        Of one to which no answer came nobody knows, and all of it is. Of a zone that is not there, or that the key may
        not update, nothing is to be taken back: it would be refused for ever.
        """
        try:
            if self.update.send(change, wish.server):
                return True
        except model.Cannot as error:
            deadline.undo(self._back, wish, wish if error.reason is model.Reason.UNAVAILABLE else left)
            raise
        deadline.undo(self._back, wish, left)
        return False

    def _back(self, wish: registration.Registration, left: registration.Registration | None) -> None:
        if left is not None:
            self.withdraw(left)
            return
        with self.store.transaction() as transaction:
            transaction.unregister(wish)


def _foreign(wish: registration.Registration) -> model.Cannot:
    """Return the refusal of a name that is not free."""
    return model.Cannot(
        f"register {wish.host.rstrip('.')}",
        why="the zone has records of that name, but no address, or another host registered it meanwhile",
        hint="see what dig says; write its A record into the zone, or give the container another name",
        reason=model.Reason.CONFLICT,
    )
