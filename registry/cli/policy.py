"""`bonafides policy …`: what a policy pack asks for, and whether it is sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from did_methods.codec import parse_json_object
from registry.cli.output import Json, Output, make_table

_BASELINE = Path(__file__).parents[1] / "decisions" / "policies"

app = typer.Typer(no_args_is_help=True, help="Show a policy pack, or check one.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--policy-dir", envvar="BONAFIDES_POLICY_DIR", help="A folder with a pack.  \\[default: the baseline]"
    ),
]
_RULE = re.compile(r'@id\("(?P<id>[^"]+)"\)\s*@reason\("(?P<reason>[^"]+)"\)[^;]*?\b(?P<effect>permit|forbid)\s*\(')


@app.command()
def show(
    actions: Annotated[
        list[str] | None, typer.Argument(metavar="[ACTION]…", help="Only how these are classed.")
    ] = None,
    policy_dir: Folder = None,
    as_json: Json = False,
) -> None:
    """Show how actions are classed, and every rule with its reason code in the order of precedence.

    Example: bonafides policy show payments.refund
    """
    from registry.bootstrap import load_policy

    pack, output = load_policy(policy_dir), Output(as_json=as_json)
    classes: list[dict[str, Any]]
    if actions:
        ruled = [(name, pack.classify(name)) for name in actions]
        classes = [{"match": [name], "class": rule.action_class, "context": rule.context} for name, rule in ruled]
        rules: list[dict[str, str]] = []
    else:
        folder = policy_dir or _BASELINE
        manifest = parse_json_object(next(iter(sorted(folder.glob("*.json")))).read_bytes())
        listed = manifest["actions"]
        assert isinstance(listed, list), "the pack was loaded"
        classes = [*listed, {"match": ["everything else"], **manifest["default"]}]
        text = next(iter(sorted(folder.glob("*.cedar")))).read_text("utf-8")
        rules = [found.groupdict() for found in _RULE.finditer(text)]

    def tell() -> None:
        output.print(f"pack {pack.pack_id}, revision {pack.revision}")
        table = make_table("actions", "class", "context")
        for one in classes:
            table.add_row(" ".join(one["match"]), one["class"], one.get("context") or "")
        output.print(table)
        if rules:
            table = make_table("rule", "effect", "reason")
            for rule in rules:
                table.add_row(rule["id"], rule["effect"], rule["reason"])
            output.print(table)

    output.result({"id": pack.pack_id, "revision": pack.revision, "classes": classes, "rules": rules}, tell)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A folder with a .cedar, a .cedarschema and a .json file.")],
    as_json: Json = False,
) -> None:
    """Check a pack: every rule type-checks over the facts, has an id and a reason.

    Exits with 2 where it is not sound, with 3 where one of the three files is missing.

    Example: bonafides policy check ./policies
    """
    from registry.bootstrap import load_policy

    pack, output = load_policy(folder), Output(as_json=as_json)
    output.result(
        {"id": pack.pack_id, "revision": pack.revision, "sound": True},
        lambda: output.print(f"pack {pack.pack_id} is sound, revision {pack.revision}"),
    )


def register(main: typer.Typer) -> None:
    """Add this group."""
    main.add_typer(app, name="policy")
