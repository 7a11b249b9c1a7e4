"""The edge: every call of the driver on one screen, what answers it, and how an error is told."""

import datetime
import json
import logging
import os
import threading
import time
import typing
from collections.abc import Callable, Mapping

import flask
from werkzeug import exceptions

from netplugin import allocation, answers, assembly, calling, config, deadline, keeper, model, protocol

MAX_BODY = 1 << 20  # octets; the engine's largest request is a few thousand
_STATUS = {
    model.Reason.INVALID: 400,
    model.Reason.MISSING: 404,
    model.Reason.CONFLICT: 409,
    model.Reason.UNAVAILABLE: 503,
}
ACTIVATION_GRACE = datetime.timedelta(seconds=5)
# What the exit of a worker tells gunicorn (gunicorn.arbiter.Arbiter): at 4 it gives up, at 1 it makes a new one.
_APP_LOAD_ERROR, _TRY_AGAIN = 4, 1
_ACTIVATE = "Plugin.Activate"
_log = logging.getLogger("fullhost")


class View(typing.Protocol):
    """What Flask calls, with the variable parts of the path."""

    def __call__(self, **parts: str) -> flask.Response: ...


def calls(use: assembly.Uses) -> dict[str, calling.Call]:
    """Return the remote driver protocol: each call, the form of its request, its use case."""
    return {
        _ACTIVATE: lambda _: _activate(use.keeper),
        "NetworkDriver.GetCapabilities": lambda _: answers.capabilities(),
        "NetworkDriver.CreateNetwork": calling.parsed(protocol.CreateNetwork.from_json, use.networks.create),
        "NetworkDriver.DeleteNetwork": calling.parsed(protocol.NetworkRef.from_json, use.networks.delete),
        "NetworkDriver.CreateEndpoint": calling.parsed(protocol.CreateEndpoint.from_json, use.driver.create_endpoint),
        "NetworkDriver.DeleteEndpoint": calling.parsed(protocol.EndpointRef.from_json, use.driver.delete_endpoint),
        "NetworkDriver.EndpointOperInfo": calling.parsed(protocol.EndpointRef.from_json, use.driver.describe),
        "NetworkDriver.Join": calling.parsed(protocol.Join.from_json, use.driver.join),
        "NetworkDriver.Leave": calling.parsed(protocol.EndpointRef.from_json, use.driver.leave),
        "NetworkDriver.ProgramExternalConnectivity": calling.parsed(protocol.Publish.from_json, use.publisher.publish),
        "NetworkDriver.RevokeExternalConnectivity": calling.parsed(
            protocol.EndpointRef.from_json, use.publisher.revoke
        ),
        "IpamDriver.GetCapabilities": lambda _: allocation.capabilities(),
        "IpamDriver.GetDefaultAddressSpaces": lambda _: allocation.spaces(),
        "IpamDriver.RequestPool": calling.parsed(allocation.RequestPool.from_json, use.ipam.request_pool),
        "IpamDriver.ReleasePool": use.ipam.release,
        "IpamDriver.RequestAddress": calling.parsed(allocation.RequestAddress.from_json, use.ipam.request_address),
        "IpamDriver.ReleaseAddress": use.ipam.release,
        # The rest is sent to drivers of global scope only; an answer costs nothing.
        "NetworkDriver.AllocateNetwork": lambda _: answers.Answer(),
        "NetworkDriver.FreeNetwork": lambda _: answers.Answer(),
        "NetworkDriver.DiscoverNew": lambda _: answers.Answer(),
        "NetworkDriver.DiscoverDelete": lambda _: answers.Answer(),
    }


def questions(use: assembly.Uses) -> dict[str, calling.Question]:
    """Return the driver's own calls, which fhv and curl make with GET."""
    ask = use.control
    return {
        "/v1/status": lambda _: ask.status(),
        "/v1/exposures": lambda _: use.publisher.exposures(),
        "/v1/networks/<network_id>/fleet": lambda parts: ask.fleet(parts["network_id"]),
        "/v1/networks/<network_id>/updates": lambda parts: use.records.updates(parts["network_id"]),
        "/v1/networks/<network_id>/records": lambda parts: use.records.entries(parts["network_id"]),
        "/v1/networks/<network_id>/records/<name>": lambda parts: ask.record(parts["network_id"], parts["name"]),
    }


def orders(use: assembly.Uses) -> dict[str, calling.Order]:
    """Return the driver's own calls that change something, made with POST and a JSON object."""
    return {
        "/v1/networks/<network_id>/expose": lambda o: use.publisher.expose(o.parts["network_id"], o.body),
        "/v1/networks/<network_id>/records/add": lambda o: use.records.add(o.parts["network_id"], o.body),
        "/v1/networks/<network_id>/records/remove": lambda o: use.records.remove(o.parts["network_id"], o.body),
        "/v1/networks/<network_id>/unexpose": lambda o: use.publisher.unexpose(o.parts["network_id"], o.body),
    }


def create_app(
    environment: Mapping[str, str] = os.environ, leaves: Callable[[config.Settings], assembly.Leaves] = assembly.leaves
) -> flask.Flask:
    """Return the application for gunicorn; what cannot be started is told in a sentence."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    try:
        settings = config.read(environment)
        _log.setLevel(settings.log_level.upper())
        return _serve(assembly.assemble(settings, leaves(settings)), settings)
    except model.Cannot as error:
        _log.error("%s", error)
        passing = error.reason is model.Reason.UNAVAILABLE
        raise SystemExit(_TRY_AGAIN if passing else _APP_LOAD_ERROR) from None


def _serve(use: assembly.Uses, settings: config.Settings) -> flask.Flask:
    """Let the keeper make a first pass, and go on in a thread of its own; return what serves the calls meanwhile."""
    use.keeper.keep()
    use.publisher.hold()
    _guard(use)
    if settings.keeper_seconds:
        patrol = (settings.keeper_seconds, use.woken)
        threading.Thread(target=use.keeper.run, args=patrol, name="keeper", daemon=True).start()
        threading.Thread(target=use.guardian.run, args=(settings.keeper_seconds,), name="guard", daemon=True).start()
        threading.Thread(target=use.tidier.run, args=(settings.keeper_seconds,), name="tidier", daemon=True).start()
        threading.Thread(target=use.renewer.run, args=(settings.keeper_seconds,), name="renewer", daemon=True).start()
    bounded = deadline.Overseer().bounded  # a budget of time for each call, and an answer in time whatever hangs
    table = {name: bounded(call) for name, call in calls(use).items()}
    asked = {path: bounded(question) for path, question in questions(use).items()}
    ordered = {path: bounded(order) for path, order in orders(use).items()}
    return wire(table, asked, ordered, count=use.count)


def _guard(use: assembly.Uses) -> None:
    """Pin the machines that an earlier life of the driver left; what hinders it is told, and tried again."""
    try:
        use.guardian.keep()
    except model.Cannot as error:
        _log.error("guard: %s", error)


def wire(
    table: Mapping[str, calling.Call],
    asked: Mapping[str, calling.Question],
    ordered: Mapping[str, calling.Order],
    *,
    count: Callable[[str], None],
) -> flask.Flask:
    """Return the application that answers the tables, and counts and logs each call of the engine."""
    app = flask.Flask("fullhost", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    for name, call in table.items():
        answered = _activating(call) if name == _ACTIVATE else call
        app.add_url_rule(f"/{name}", name, _served(name, answered, count), methods=["POST"])
    for path, question in asked.items():
        app.add_url_rule(path, path, _asked(question), methods=["GET"])
    for path, order in ordered.items():
        app.add_url_rule(path, path, _asked(_ordering(order)), methods=["POST"])
    app.register_error_handler(exceptions.HTTPException, _unserved)
    return app


def _activate(keep: keeper.Keeper) -> answers.Answer:
    """Answer the first call of an engine's life: what an earlier engine left half started is over.

    A few seconds of grace are for who uses the call as a ping.
    """
    keep.collect(grace=ACTIVATION_GRACE)
    return answers.activated()


def _activating(activate: calling.Call) -> calling.Call:
    """Return the first call so that it is answered whatever happens: an Err makes a driver of nothing, for good."""

    def call(body: protocol.Json) -> answers.Answer:
        try:
            return activate(body)
        except model.Cannot as error:
            _log.warning("%s", error)
            return answers.activated()

    return call


def _served(name: str, call: calling.Call, count: Callable[[str], None]) -> View:
    """Return the view of a call: HTTP 200 with Err where it is refused, which the engine shows to its user."""
    refused = "Error" if name.startswith("IpamDriver.") else "Err"  # libnetwork/ipams/remote/api, drivers/remote/api

    def view(**_: str) -> flask.Response:
        count(name)
        began, body, level = time.monotonic(), _body(), logging.INFO
        try:
            answer = call(body)
            reply, note = answer.body, answer.note
        except Exception as error:
            count(f"{name}.errors")
            level, note = logging.WARNING, _told(name, error)
            reply = {refused: note}
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s", json.dumps({"call": name, "request": body, "answer": reply}))
        took = (time.monotonic() - began) * 1000
        _log.log(level, "%s (%.1f ms)", " ".join(filter(None, (name, *protocol.subject(body), note))), took)
        return _reply(reply, 200)

    return view


def _asked(question: calling.Question) -> View:
    """Return the view of one of our own calls, which tells an error as the Docker API does."""

    def view(**parts: str) -> flask.Response:
        try:
            return _reply(question(parts), 200)
        except Exception as error:
            reason = error.reason if isinstance(error, model.Cannot) else None
            return _reply({"message": _told(flask.request.path, error)}, _STATUS[reason] if reason else 500)

    return view


def _ordering(order: calling.Order) -> calling.Question:
    return lambda parts: order(calling.Ordered(parts=parts, body=_body()))


def _body() -> protocol.Json:
    """Return the request's body; none at all is an empty object, as in Plugin.Activate."""
    try:
        body: object = json.loads(flask.request.get_data() or b"{}")
    except (ValueError, RecursionError) as error:
        raise exceptions.BadRequest(f"the body is no JSON ({error}); send one JSON object") from None
    if not isinstance(body, dict):
        raise exceptions.BadRequest("the body is no object; send one JSON object")
    return body


def _unserved(error: exceptions.HTTPException) -> flask.Response:
    """Answer what is no call of the driver, or has no body that can be read."""
    sentence = f"cannot read the request {flask.request.path[:80]}: {error.description}"
    _log.warning("%s", sentence)
    return _reply({"Err": sentence, "message": sentence}, error.code or 500)


def _told(call: str, error: Exception) -> str:
    """Return the sentence for an error; one that nobody thought of goes to the log with all its details."""
    if isinstance(error, model.Cannot):
        return str(error)
    _log.exception("%s failed", call)
    return f"cannot serve {call}: the driver failed ({type(error).__name__}); see its log"


def _reply(body: protocol.Json, status: int) -> flask.Response:
    return flask.Response(protocol.octets(body), status=status, mimetype="application/json")
