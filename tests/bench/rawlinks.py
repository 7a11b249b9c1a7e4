"""The limit: veth pairs made and deleted over netlink, and nothing else; run in the host's namespace by `calls`.

`python -m tests.bench.rawlinks CALLERS COUNT BRIDGE` prints the milliseconds of each pair made and of each deleted.
"""

import concurrent.futures
import json
import sys
import time

import pyroute2


def _make(number: int, bridge: int) -> float:
    began = time.perf_counter()
    with pyroute2.IPRoute() as netlink:
        peer = {"ifname": f"raw{number}p", "mtu": 1500}
        netlink.link("add", ifname=f"raw{number}", kind="veth", peer=peer, mtu=1500, master=bridge, state="up")
    return (time.perf_counter() - began) * 1000


def _delete(number: int) -> float:
    began = time.perf_counter()
    with pyroute2.IPRoute() as netlink:
        netlink.link("del", ifname=f"raw{number}")
    return (time.perf_counter() - began) * 1000


def main(callers: int, count: int, bridge: str) -> dict[str, object]:
    """Make and delete so many pairs; return what each took, and what all took together, in milliseconds."""
    with pyroute2.IPRoute() as netlink:
        (index,) = netlink.link_lookup(ifname=bridge)
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        began = time.perf_counter()
        made = list(pool.map(lambda number: _make(number, index), range(count)))
        deleted = list(pool.map(_delete, range(count)))
        return {"made": made, "deleted": deleted, "all": (time.perf_counter() - began) * 1000}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
