"""What to do where an init fails by its host, and not by its image."""

ROOM = "sysctl fs.inotify.max_user_instances=8192, and the same in a file of /etc/sysctl.d"


def of_console(console: str) -> str:
    """Say what to do where the last words of an init tell that the host does not suit it; "" where they do not."""
    if "unsupported legacy cgroup hierarchy" in console:
        return "systemd 258 and later boot on cgroup v2 only: systemd.unified_cgroup_hierarchy=1 among the host's boot \
options, or an image with an older one"
    if "Too many open files" in console:
        return f"this host gives all machines together too few inotify instances: {ROOM}"
    return ""
