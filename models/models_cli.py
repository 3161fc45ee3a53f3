"""The command ``retina models``: what ships, its cards, and NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

models_app = typer.Typer(help="Shipped models, their cards, and NIR graphs.")

ModelOf = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name, or a file")]
Graph = Annotated[Path, typer.Argument(metavar="FILE.nir", help="A NIR graph")]


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that ship."""
    if context.invoked_subcommand is not None:
        return
    from models.catalogue import entries

    # A name that is cut cannot be typed: for a pipe the table is as wide as it has to be.
    console = Console(width=max(Console().width, 120))
    table = Table("name", "task", "network", "figure", "of", "size", box=None)
    for each in entries():
        of = each.measure.partition(" (")[0].replace("`", "")
        size = f"{each.size / 1024:,.0f} KiB"
        table.add_row(each.name, each.task, each.network, each.figure, of, size)
    console.print(table, highlight=False)


@models_app.command("card")
def card_of(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped model's name")],
) -> None:
    """Print the card of a shipped model."""
    from models.catalogue import card

    typer.echo(card(name))


@models_app.command("export")
def to_nir(model: ModelOf, file: Graph) -> None:
    """Write a model as a NIR graph."""
    from models.nir_export import export
    from models.store import load

    loaded = load(model)
    export(loaded, file)
    typer.echo(f"{file}: {loaded.network.spec} as a NIR graph")


@models_app.command("import")
def from_nir(
    file: Graph,
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="Where the model goes")],
    bin_ms: Annotated[
        float, typer.Option(min=0.001, help="A bin's length, where the graph is not of ours")
    ] = 1.0,
) -> None:
    """Read a NIR graph and save it as a model."""
    from models.nir_import import read
    from models.store import save

    model = read(file, round(bin_ms * 1000))
    save(model, out)
    typer.echo(f"{out}: {model.task}, {model.network.spec}")
