"""The limit: veth pairs made and deleted by the driver's own messages, and nothing else; run in the host by `calls`.

`python -m tests.bench.rawlinks CALLERS COUNT BRIDGE` prints the milliseconds of each pair made and of each deleted.
"""

import concurrent.futures
import json
import socket
import sys
import time

from netplugin import model, rtnetlink

_ADDRESS = "02:66:00:00:00:01"


def _make(number: int, bridge: int) -> float:
    began = time.perf_counter()
    pair = model.Veth(host=f"raw{number}", peer=f"raw{number}p")
    rtnetlink.add_veth(pair, mtu=1500, address=_ADDRESS, master=bridge)
    return (time.perf_counter() - began) * 1000


def _delete(number: int) -> float:
    began = time.perf_counter()
    rtnetlink.delete(f"raw{number}")
    return (time.perf_counter() - began) * 1000


def main(callers: int, count: int, bridge: str) -> dict[str, object]:
    """Make and delete so many pairs; return what each took, and what all took together, in milliseconds."""
    index = socket.if_nametoindex(bridge)
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        began = time.perf_counter()
        made = list(pool.map(lambda number: _make(number, index), range(count)))
        deleted = list(pool.map(_delete, range(count)))
        return {"made": made, "deleted": deleted, "all": (time.perf_counter() - began) * 1000}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
