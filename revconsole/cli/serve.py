"""The verb `serve`: the console in a browser of this machine."""

from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.opening import FLAGS
from revconsole.errors import NotLoaded, RevconsoleError


class PortUnavailable(RevconsoleError):  # noqa: N818  the name says what happened
    """The port is another program's, or may not be opened."""

    exit_code = 4


def serve(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 for any that is free.", min=0, max=65535)
    ] = 0,
) -> None:
    """Show the console in a browser of this machine, for whoever has the printed address with its token."""
    try:
        from revconsole.console.serving import GuardedServer
    except ImportError:
        raise NotLoaded(
            "the console in a browser needs textual-serve: `pip install 'revconsole[serve]'`"
        ) from None
    options = [word for flag in context.meta.get(FLAGS, ()) for word in ("--set", flag)]
    try:
        server = GuardedServer(context.obj, port, *options)
    except OSError as error:
        raise _not_opened(port, error) from None
    output.print_sentence(server.address)
    output.say(
        "Ctrl-C ends it. From another machine, forward the port first: "
        f"ssh -L {server.port}:127.0.0.1:{server.port} HOST"
    )
    try:
        server.serve()
    except OSError as error:
        raise _not_opened(server.port, error) from None


def _not_opened(port: int, error: OSError) -> PortUnavailable:
    return PortUnavailable(
        f"port {port} cannot be opened: {error.strerror}; choose another with --port"
    )
