"""The command ``retina doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nodes.doctor.finding import Finding


def doctor(
    camera: Annotated[
        bool, typer.Option("--camera", help="Go through a plugged-in camera in five minutes.")
    ] = False,
    source: Annotated[
        str, typer.Option("--source", metavar="SOURCE", help="Which camera (with --camera).")
    ] = "camera:",
    report: Annotated[
        Path, typer.Option("--report", metavar="FILE", help="Where --camera writes its report.")
    ] = Path("camera-report.json"),
    unattended: Annotated[
        bool, typer.Option("--unattended", help="With --camera: skip what needs a hand.")
    ] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the findings ('-': here).")
    ] = None,
) -> None:
    """Look at what this machine can run; print the command that mends what it lacks.

    Exit status 1 where something is wrong.
    """
    if camera:
        from nodes.doctor.bedside import examine

        if not examine(source, report, attended=not unattended):
            raise typer.Exit(1)
        return
    findings = look(Path("/"))
    if json_file is not None:
        import msgspec

        text = msgspec.json.format(msgspec.json.encode(findings)).decode()
        if json_file == "-":
            typer.echo(text)
        else:
            Path(json_file).write_text(text + "\n", encoding="utf-8")
    else:
        show(findings)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def look(root: Path) -> list[Finding]:
    """Look at everything; files of the system are read below ``root``."""
    from nodes.doctor import cameras, machine, software, usb

    return [
        software.python(),
        *software.torch(root),
        *software.qt(),
        software.opengl(),
        *usb.check(root),
        *cameras.check(),
        *software.extras(),
        machine.cores(),
        machine.memory(root),
        machine.disk(Path.cwd()),
    ]


def show(findings: list[Finding]) -> None:
    """Print findings, then what mends them."""
    signs = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
    for finding in findings:
        typer.echo(f"{signs[finding.state]}  {finding.name}: {finding.what}")
    for state, title in (("wrong", "what is wrong, and what mends it:"), ("note", "optional:")):
        mends = {f.mend: f for f in findings if f.state == state and f.mend}
        if mends:
            typer.echo(f"\n{title}")
        for mend, finding in mends.items():
            typer.echo(f"  # {finding.name}\n  {mend}")
    wrong = sum(finding.state == "wrong" for finding in findings)
    typer.echo(f"\n{wrong} wrong" if wrong else "\nnothing is wrong")
