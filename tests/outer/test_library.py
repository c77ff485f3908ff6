# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library as it is installed: what others compile against it, and what its binary interface is."""
import os
import pathlib
import shlex
import subprocess

import pytest

TREE = pathlib.Path(__file__).parents[2]
DUMP = TREE / "client/left4me-host.abi"
SANITIZE = ["-fsanitize=address,undefined"] if os.environ.get("LEFT4ME_TEST_SANITIZE") else []

CPP = r"""
#include <cstdio>
#include <left4me-host.h>
#include <memory>

int main(int argc, char **argv)
{
        l4h_host *opened = nullptr;
        if (l4h_open_system(&opened) < 0)
                return 1;
        std::unique_ptr<l4h_host, l4h_host *(*)(l4h_host *)> host(opened, l4h_unref);
        l4h_instance *instance = nullptr;
        int r = l4h_instance_find(host.get(), argv[1], &instance);
        std::puts(r < 0 ? l4h_error_message(host.get()) : l4h_instance_get_active_state(instance));
        l4h_instance_unref(instance);
        return r < 0;
}
"""


@pytest.fixture(scope="module")
def root(host):
    """Where the tree is installed."""
    return pathlib.Path(host.verb("path").strip())


def compile_against(root, *command):
    """Compiles with what pkg-config says of the installed library."""
    directory, = root.glob("usr/lib/*/pkgconfig")
    config = subprocess.run(["pkg-config", "--cflags", "--libs", "left4me-host"], check=True, capture_output=True, text=True,
                            env=os.environ | {"PKG_CONFIG_LIBDIR": str(directory), "PKG_CONFIG_SYSROOT_DIR": str(root)}).stdout
    subprocess.run([*command, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-pedantic", *SANITIZE, *shlex.split(config)],
                   check=True)


def test_the_example_in_c(host, root):
    program = root / "usr/local/bin/example"
    compile_against(root, "gcc", "-std=c11", "-o", program, TREE / "client/example.c", "-lsystemd")
    said = host.python("""
build(root, "game", SMALL_GAME)
root.manager("CreateInstance", "('example', @a{sv} {})")
done = run("/usr/local/bin/example", "example"), run("/usr/local/bin/example", "nowhere", check=False)
delete_instance(root, "example")
result = [[d.returncode, d.stdout, d.stderr] for d in done]
""")
    assert said[0][0] == 0 and {"example: inactive", "example: active"} <= set(said[0][1].splitlines()), said
    assert said[1][0] == 1 and 'no instance "nowhere"' in said[1][2], said


def test_a_program_in_cpp(host, root, tmp_path):
    source, program = tmp_path / "program.cc", root / "usr/local/bin/program"
    source.write_text(CPP)
    compile_against(root, "g++", "-std=c++17", "-o", program, source)
    done = host.python("result = run('/usr/local/bin/program', 'nowhere', check=False).stdout")
    assert 'no instance "nowhere"' in done, done


def abi_tool(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_binary_interface_is_the_one_that_is_written_down(root):
    """What is there may not change; what is new is written down with a release, as in left4me-host.sym."""
    library, = root.glob("usr/lib/*/libleft4me-host.so.0")
    write = ["abidw", "--exported-interfaces-only", "--headers-dir", root / "usr/include", "--drop-private-types",
             "--drop-undefined-syms", "--type-id-style", "hash", "--no-show-locs", "--no-comp-dir-path", "--no-corpus-path",
             "--no-elf-needed", "--no-parameter-names", "--out-file", DUMP, library]
    status, said = abi_tool("abidiff", "--no-added-syms", DUMP, library)
    assert status == 0, f"{said}\nWhen this is what is wanted: {shlex.join(map(str, write))}"
