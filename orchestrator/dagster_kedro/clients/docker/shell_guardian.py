"""A guardian for programs that have none: a few lines of shell, which any image has.

It does in a container what `kedro_pipes.guardian` does for our own worker, without another start of
Python, and without anything of ours in the image. Knows no engine.
"""

from __future__ import annotations

from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE

NO_SUCH_PROGRAM = "there is no such program in the image, or it cannot be run."
"""The end of the last line of a program that was never started."""

# The guardian is forked, twice so that the program has no child that its own `wait` could find, and
# the shell becomes the program, whose signals and exit code are then its own. Both are in one
# process group, which is 0 for `kill`: the guardian itself is deaf to all but the last signal. A
# line on the control channel says that all is well, its end without one that nobody waits any more.
# The last trap speaks if the shell is still there, so has not become the program.
_SCRIPT = f"""\
grace=${{{GRACE_VARIABLE}:-5}}
unset {CONTROL_VARIABLE} {GRACE_VARIABLE}
exec 3<&0 </dev/null
(
    trap '' TERM INT HUP
    exec >/dev/null 2>&1
    {{
        said=
        read -r said <&3
        if [ -z "$said" ]; then
            kill -s TERM 0
            sleep "$grace" || sleep "${{grace%.*}}"
            kill -s KILL $$
            kill -s KILL 0
        fi
    }} &
)
trap 'echo "Cannot start '"'$1'"': {NO_SUCH_PROGRAM}" >&2' EXIT
exec "$@" 3<&-
"""


def guarded(command: list[str]) -> list[str]:
    """Return what starts a program that ends when its standard input does.

    Args:
        command: The program and its arguments. It gets an empty standard input, and no variable
            that is meant for a guardian.
    """
    return ["sh", "-c", _SCRIPT, "kedro-pipes-guardian", *command]
