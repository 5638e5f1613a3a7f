"""`fenliu shop edit`: a shop in an editor, what that would change, and then the change.

Whatever is wrong with the text reopens the editor with the message on top. Text that was not applied is
never lost: it is kept in a file that is named.
"""

from __future__ import annotations

import tempfile

import click

from fenliu.cli.apply import applied_line
from fenliu.cli.command import command
from fenliu.cli.differences import line, print_differences
from fenliu.cli.errors import refused_text
from fenliu.cli.findings import print_findings
from fenliu.cli.language import words
from fenliu.cli.options import actor_option, target_option, with_client
from fenliu.cli.shopfile import ShopFileError, shop_text, shops_in
from fenliu.client import FenliuError
from fenliu.offline import resolved
from fenliu.resources.differences import differences
from fenliu.resources.lint import lint
from fenliu.resources.schema import modeline
from fenliu.v1 import shop_pb2

_NOTE = "#! "  # begins the lines that are not the user's


@command(
    "edit",
    zh="在编辑器（$VISUAL、$EDITOR）里修改一家店铺。\n\n保存后显示差别和问题，询问后再应用；编辑期间别人改过则不应用。"
    "有错时带着说明重新打开，写下的内容不会丢失。",
    en="Change a shop in an editor ($VISUAL, $EDITOR).\n\nThen shows the difference and what lint finds,"
    " asks, and applies it, unless somebody else changed the shop meanwhile. What is wrong reopens the"
    " editor with the message; nothing written is lost.",
)
@click.argument("shop_id", metavar="SHOP")
@target_option
@actor_option
def edit(shop_id: str, target: str, actor: str) -> None:
    """Edits until it is applied, unchanged or given up."""
    stored = with_client(target, lambda client: client.get_shop(shop_id))
    session = _Session(stored, target, actor)
    try:
        session.run()
    except BaseException:
        session.keep()
        raise


class _Session:
    """One edit: the shop as it was read, and the text as far as it was written."""

    def __init__(self, stored: shop_pb2.Shop, target: str, actor: str) -> None:
        self._stored = stored
        self._target = target
        self._actor = actor
        self._original = self._text = shop_text(stored)

    def run(self) -> None:
        """Opens the editor until there is an end. Raises ClickException for giving up an error."""
        problem = ""
        while True:
            changed = self._edit(problem)
            if problem and not changed:
                raise click.ClickException(problem)
            try:
                after = self._read()
                found = differences(self._stored, resolved(after))
            except ValueError as error:
                problem = " ".join(str(error).split())
                continue
            if not found:
                click.echo(words("没有变化", "unchanged"))
                return
            print_differences(found)
            print_findings(after.shop_id, lint(after))
            answer = self._ask()
            if answer == "n":
                self.keep()
                return
            problem = "" if answer == "e" else self._apply(after)
            if answer == "y" and not problem:
                return

    def keep(self) -> None:
        """Writes what was written into a file and says where, unless nothing was."""
        if self._text == self._original:
            return
        with tempfile.NamedTemporaryFile(
            "w", prefix="fenliu-", suffix=".yaml", delete=False, encoding="utf-8"
        ) as file:
            file.write(self._text)
        click.echo(
            words(f"未应用；内容保存在 {file.name}", f"not applied; your text is in {file.name}"),
            err=True,
        )

    def _edit(self, problem: str) -> bool:
        """Lets the text be edited; whether it was."""
        before = self._text
        edited = click.edit("".join(_head(problem)) + before, extension=".yaml")
        if edited is not None:
            self._text = "".join(
                one
                for one in edited.splitlines(keepends=True)
                if not one.startswith((_NOTE.rstrip(), modeline()))
            )
        return self._text != before

    def _read(self) -> shop_pb2.Shop:
        """The shop that the text says. Raises ValueError, with lines as an editor shows them."""
        # A message is one line, so that its line numbers hold when the editor shows it.
        lines_above = "\n" * len(_head("?"))
        documents = shops_in(lines_above + self._text, f"{self._stored.shop_id}.yaml")
        (_, shop) = documents[0]
        if len(documents) > 1 or shop.shop_id != self._stored.shop_id:
            raise ShopFileError(
                words(
                    f"这里只能是店铺 {self._stored.shop_id}；别的店铺用 `fenliu apply`",
                    f"only shop {self._stored.shop_id} can be here; `fenliu apply` is for others",
                )
            )
        return shop

    def _ask(self) -> str:
        return str(
            click.prompt(
                words("应用？y 应用，e 再编辑，n 放弃", "Apply? y yes, e edit again, n no"),
                type=click.Choice(["y", "e", "n"]),
                show_choices=False,
            )
        )

    def _apply(self, shop: shop_pb2.Shop) -> str:
        """Applies it; what refused it, or "". Raises FenliuError when the server does not answer."""
        try:
            applied = with_client(
                self._target, lambda client: client.apply_shop(shop), actor=self._actor
            )
        except FenliuError as error:
            if error.reason == "STALE_ETAG":
                return self._stale()
            if error.field or error.reason == "NOT_ALLOWED":
                return refused_text(error)
            raise
        click.echo(applied_line(applied))
        return ""

    def _stale(self) -> str:
        """Goes on from the shop as it is now; what others changed."""
        before = self._stored
        self._stored = with_client(self._target, lambda client: client.get_shop(before.shop_id))
        etag = self._stored.etag
        lines = [
            words(
                f"别人已修改这家店铺，现在是版本 {etag}。请并入下列修改，把 etag 改为 '{etag}' 再保存：",
                f"somebody else changed the shop, it is at {etag} now. Take this over, set etag to"
                f" '{etag}' and save again:",
            ),
            *(line(one).plain for one in differences(before, self._stored)),
        ]
        return "\n".join(lines)


def _head(problem: str) -> list[str]:
    """The lines above the text: the schema for the editor, and what is wrong."""
    head = [f"{modeline()}\n"]
    head += [f"{_NOTE}{one}\n" for one in problem.splitlines()]
    return head
