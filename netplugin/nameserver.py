"""A name server as the doors to DNS have it: asked again where a firewall is in the way, told of if it is silent."""

import time

import dns.exception
import dns.message
import dns.nameserver
import dns.rcode
import dns.resolver

AGAIN_SECONDS = 0.5  # with the resolver's own pauses, three attempts in the two seconds of a look-up


class Server(dns.nameserver.Do53Nameserver):
    """A server that is asked again when a firewall forbids it; to dns.resolver, such a one is of no use any more.

    While firewalld loads its rules anew nothing leaves the host (ReloadPolicy=DROP), for a second; it does so when the
    driver makes its zone, too. A start that meets this waits: those that an engine makes at boot are made once.
    """

    def query(self, *asked: object, **named: object) -> dns.message.Message:
        """Ask once."""
        try:
            return super().query(*asked, **named)  # type: ignore[arg-type]
        except PermissionError as error:  # EPERM, of what a rule drops on its way out (nf_hook_slow)
            time.sleep(AGAIN_SECONDS)
            raise dns.exception.Timeout from error


def silence(error: Exception) -> str:
    """Return what a server did instead of answering, in one short sentence."""
    match error:
        case dns.resolver.LifetimeTimeout() | dns.resolver.NoNameservers() if hindrances := _hindrances(error):
            return silence(hindrances[-1])
        case dns.exception.Timeout():
            return "did not answer in time"
        case dns.resolver.NoNameservers():
            codes = {dns.rcode.to_text(answer.rcode()) for *_, answer in error.kwargs["errors"] if answer}
            return f"answered {', '.join(sorted(codes)) or 'nothing that can be read'}"
        case ConnectionRefusedError():
            return "is not there (connection refused)"
        case OSError(strerror=str(why)):
            return f"cannot be asked ({why})"
        case _:
            return f"gave no usable answer ({str(error)[:120] or type(error).__name__})"


def _hindrances(error: dns.exception.DNSException) -> list[OSError]:
    """Return why the server could not even be asked, by each attempt that could not."""
    causes = [cause.__cause__ or cause for *_, cause, _ in error.kwargs["errors"] if isinstance(cause, Exception)]
    return [cause for cause in causes if isinstance(cause, OSError)]
