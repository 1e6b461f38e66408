"""``nanonet simulate``: build the config's simulation node, which writes training data or a movie."""

from __future__ import annotations

from nanonet.cli.folders import announce, output_folder
from nanonet.cli.main import Call


def run(call: Call) -> None:
    """Simulate; prints the folder (or file) last.

    Raises
    ------
    InputError
        For anything that the user can mend.
    """
    from nanonet.configuration import build, compose

    named = any(word.startswith("output=") for word in call.words)
    words = call.words if named else (*call.words, f"output={output_folder(None, 'simulate')}")
    config = compose("simulate", words, call.own)
    announce(config.output)
    print(build(config.simulate))
