"""Calls of the package that behave otherwise on Windows or macOS, found in its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "forecast"

MODULES = {
    *("ctypes", "fcntl", "grp", "mmap", "msvcrt", "pty", "pwd", "resource", "select", "syslog"),
    *("termios", "tty", "winreg"),
}
"""Modules that a system may lack, or that do other things there."""

OF_OS = {
    *("WNOHANG", "chmod", "chown", "dup2", "environb", "fchmod", "fork", "forkpty", "getegid"),
    *("geteuid", "getgid", "getloadavg", "getppid", "getuid", "kill", "killpg", "link", "mkfifo"),
    *("name", "nice", "pipe", "posix_fallocate", "pread", "readlink", "rename", "replace"),
    *("sched_getaffinity", "sendfile", "setpgid", "setsid", "statvfs", "symlink", "sysconf"),
    *("umask", "uname", "waitpid"),
}
"""Attributes of `os`."""

EVERYWHERE = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_APPEND", "O_TRUNC"}
"""Flags of `os.open` that all systems have."""

METHODS = {
    *("chmod", "hardlink_to", "is_mount", "st_blocks", "st_ctime_ns", "st_dev", "st_ino"),
    *("st_uid", "symlink_to", "f_flag", "get_context", "ProcessPoolExecutor"),
}
"""Attributes of anything."""

KEYWORDS = {"pass_fds", "preexec_fn", "start_new_session", "creationflags"}
"""Arguments of calls."""

FOLDERS = ("/proc/", "/dev/", "/tmp", "/sys/", "/etc/", "/bin/")


def platform_calls() -> set[tuple[str, str]]:
    """Return module and call of every place in the package, such as `os.kill`."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            found |= {(module, call) for call in calls_in(node)}
    return found


def calls_in(node: ast.AST) -> Iterator[str]:
    """Yield the calls of one node that behave otherwise elsewhere."""
    if isinstance(node, ast.Import):
        yield from (f"import {each.name}" for each in node.names if each.name in MODULES)
    elif isinstance(node, ast.ImportFrom):
        if node.module in MODULES:
            yield f"import {node.module}"
        yield from (each.name for each in node.names if each.name in METHODS)
        if node.module == "os":
            yield from (f"os.{each.name}" for each in node.names if each.name in OF_OS)
    elif isinstance(node, ast.Attribute):
        yield from _attribute(node)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Constant) and str(node.value).startswith(FOLDERS):
        yield str(node.value)


def _attribute(node: ast.Attribute) -> Iterator[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    name = node.attr
    is_flag = owner == "os" and name.startswith("O_") and name not in EVERYWHERE
    is_signal = owner == "signal" and (name.startswith("SIG") or name in ("alarm", "setitimer"))
    is_socket = owner == "socket" and name.startswith(("AF_UNIX", "SO_"))
    is_system = (owner, name) in (("sys", "platform"), ("platform", "system"))
    if is_flag or is_signal or is_socket or is_system or (owner == "os" and name in OF_OS):
        yield f"{owner}.{name}"
    elif name in METHODS:
        yield name


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if isinstance(node.func, ast.Name):
        name = node.func.id
    keywords = {each.arg for each in node.keywords}
    yield from sorted(f"{word}=" for word in keywords & KEYWORDS if word is not None)
    if name in ("getattr", "hasattr") and isinstance(node.args[0], ast.Name):
        asked = getattr(node.args[1], "value", "NAME")
        if node.args[0].id in ("os", "signal", "socket") and asked not in EVERYWHERE:
            yield f"{name}({node.args[0].id}, {asked})"
    if (
        name in ("run", "Popen", "check_output")
        and "text" in keywords
        and "encoding" not in keywords
    ):
        yield f"{name} without encoding"
    if _decodes_as_the_locale(node, name, keywords):
        yield f"{name} without encoding"


def _decodes_as_the_locale(node: ast.Call, name: str, keywords: set[str | None]) -> bool:
    """Return whether a call reads or writes texts in the encoding of the machine."""
    if "encoding" in keywords or name not in ("open", "read_text", "write_text", "fdopen"):
        return False
    if name == "read_text":
        return not node.args
    if name == "write_text":
        return len(node.args) < 2
    if name == "open" and isinstance(node.func, ast.Attribute):
        return False  # of archives, engines and descriptors; `Path.open` is not used
    mode = node.args[1] if len(node.args) > 1 else None
    mode = next((each.value for each in node.keywords if each.arg == "mode"), mode)
    return not (isinstance(mode, ast.Constant) and "b" in str(mode.value))
