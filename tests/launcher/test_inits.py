"""The table of init systems."""

import pytest

from launcher import advice, inits, model

_OLD_V1 = model.Host(engine=(20, 10), cgroup=1, apparmor=True)
_OLD_V2 = model.Host(engine=(26, 1), cgroup=2, apparmor=False)
_OLD_V2_APPARMOR = model.Host(engine=(27, 9), cgroup=2, apparmor=True)
_NEW_V2 = model.Host(engine=(28, 0), cgroup=2, apparmor=True)
_NEW_V1 = model.Host(engine=(29, 1), cgroup=1, apparmor=True)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"/sbin/init": "/usr/lib/systemd/systemd"}, "systemd"),
        ({"/sbin/init": "/lib/systemd/systemd", "/etc/inittab": ""}, "systemd"),
        ({"/sbin/init": "", "/etc/inittab": ""}, "sysvinit"),
        ({"/sbin/init": "", "/sbin/initctl": ""}, "upstart"),
        ({"/sbin/init": "", "/sbin/initctl": "", "/etc/inittab": ""}, "upstart"),
        ({"/sbin/init": "/usr/sbin/openrc-init"}, "openrc"),
        ({"/sbin/init": "/lib/runit/runit-init"}, "runit"),
        ({"/sbin/init": "/bin/busybox", "/etc/inittab": ""}, "busybox"),
    ],
)
def test_an_init_is_known_by_what_the_image_has(files: dict[str, str], name: str) -> None:
    assert inits.recognise(files, image="some/image").name == name


@pytest.mark.parametrize(
    ("files", "fact"),
    [
        ({}, "it has no /sbin/init"),
        ({"/etc/inittab": ""}, "it has no /sbin/init"),
        ({"/sbin/init": ""}, "its /sbin/init is no init that fhv knows"),
        ({"/sbin/init": "/usr/bin/tini"}, "its /sbin/init leads to tini, which is no init that fhv knows"),
    ],
)
def test_an_image_without_a_known_init_is_refused(files: dict[str, str], fact: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        inits.recognise(files, image="some/image")
    assert str(caught.value).startswith("cannot boot some/image: ")
    assert fact in str(caught.value)
    assert caught.value.hint


def test_from_28_on_systemd_has_its_cgroups_without_any_capability() -> None:
    boot = inits.boot(inits.INITS["systemd"], _NEW_V2)
    assert boot.security == ("writable-cgroups=true",)
    assert boot.private_cgroups
    assert not boot.capabilities
    assert not boot.volumes
    assert boot.command == ("/sbin/init",)


@pytest.mark.parametrize("host", [_OLD_V1, _NEW_V1])
def test_on_cgroup_v1_systemd_has_its_own_hierarchy_and_no_capability(host: model.Host) -> None:
    boot = inits.boot(inits.INITS["systemd"], host)
    assert boot.volumes == ("/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",)
    assert not boot.capabilities
    assert not boot.private_cgroups
    assert not boot.security


@pytest.mark.parametrize(("host", "security"), [(_OLD_V2, ()), (_OLD_V2_APPARMOR, ("apparmor=unconfined",))])
def test_before_28_on_cgroup_v2_systemd_remounts_its_own_cgroups(host: model.Host, security: tuple[str, ...]) -> None:
    boot = inits.boot(inits.INITS["systemd"], host)
    assert boot.command[-1] == "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"
    assert list(boot.capabilities) == ["SYS_ADMIN"]
    assert boot.private_cgroups
    assert boot.security == security


@pytest.mark.parametrize("name", list(inits.INITS))
@pytest.mark.parametrize("host", [_OLD_V1, _OLD_V2, _OLD_V2_APPARMOR, _NEW_V2, _NEW_V1])
def test_no_init_is_given_the_host(name: str, host: model.Host) -> None:
    boot = inits.boot(inits.INITS[name], host)
    assert boot.init == name
    assert boot.stop_signal
    assert {entry.split(":")[0] for entry in boot.tmpfs} == {"/run", "/run/lock", "/tmp"}
    assert "/sys/fs/cgroup:/sys/fs/cgroup:rw" not in boot.volumes
    assert all(boot.capabilities.values()), "every capability has a reason"
    assert "SYS_ADMIN" not in boot.capabilities or (name == "systemd" and host.engine < (28, 0))


@pytest.mark.parametrize(
    ("said", "progress"),
    [
        ("running\n", "up"),
        ("degraded\n", "degraded"),
        ("degraded\ndegraded\n", "degraded"),
        ("unrecognized option '--wait'\nrunning\n", "up"),
        ("starting\n", "booting"),
        ("initializing\n", "booting"),
        ("Failed to connect to bus: No such file or directory\n", "booting"),
        ("offline\n", "booting"),
        ("", "booting"),
        ("maintenance\n", "failed"),
        ("stopping\n", "failed"),
    ],
)
def test_systemd_says_in_a_word_how_far_it_is(said: str, progress: str) -> None:
    assert inits.INITS["systemd"].judge(model.Answer(exit_code=1, output=said)) == progress


@pytest.mark.parametrize(
    ("said", "sysvinit", "upstart"),
    [
        ("unknown\n", "booting", "asks"),
        ("runlevel:/var/run/utmp: No such file or directory\n", "booting", "asks"),
        ("", "booting", "booting"),
        ("N S\n", "failed", "failed"),
        ("N 2\n", "asks", "asks"),
        ("N 2\n/bin/sh /etc/init.d/rc\n", "booting", "booting"),
        ("2 3\n/bin/sh /etc/init.d/rc\n", "booting", "booting"),
        ("unknown\n/bin/sh /etc/init.d/rc\n", "booting", "booting"),
        ("2 3\n", "up", "up"),
        ("N 3\n", "up", "up"),
        ("N 5\n", "up", "up"),
        ("# 3\n", "up", "up"),
        ("3 0\n", "booting", "booting"),
        ("sh: runlevel: not found\n", "booting", "booting"),
    ],
)
def test_a_runlevel_counts_when_its_services_are_started(said: str, sysvinit: str, upstart: str) -> None:
    answer = model.Answer(exit_code=0, output=said)
    assert inits.INITS["sysvinit"].judge(answer) == sysvinit
    assert inits.INITS["upstart"].judge(answer) == upstart


@pytest.mark.parametrize("name", ["openrc", "runit", "busybox"])
def test_the_others_are_up_when_their_question_ends_well(name: str) -> None:
    assert inits.INITS[name].judge(model.Answer(exit_code=0, output="")) == "up"
    assert inits.INITS[name].judge(model.Answer(exit_code=1, output="")) == "booting"


def test_what_waits_for_a_boot_that_never_ends_goes_away_by_itself() -> None:
    assert inits.INITS["systemd"].ask[-1].startswith("timeout 5 systemctl is-system-running --wait ")


@pytest.mark.parametrize("host", [_OLD_V1, _OLD_V2, _NEW_V2])
def test_runit_is_told_before_each_boot_to_give_no_respite(host: model.Host) -> None:
    command = inits.boot(inits.INITS["runit"], host).command
    assert command[:2] == ("/bin/sh", "-c")
    assert command[2].startswith("sed -i ")
    assert command[2].endswith("; exec /sbin/init"), "also where there is no such file"


def test_an_init_that_the_host_does_not_suit_gets_a_hint_that_says_so() -> None:
    said = "[!!!!!!] Detected unsupported legacy cgroup hierarchy, refusing execution.\nExiting PID 1..."
    assert advice.of_console(said).startswith("systemd 258 and later boot on cgroup v2 only: ")
    assert "sysctl fs.inotify.max_user_instances=8192" in advice.of_console(
        "Failed to create control group inotify object: Too many open files\nFailed to allocate manager object"
    )
    assert advice.of_console("Kernel panic") == ""
