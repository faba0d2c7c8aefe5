"""The definition of the grammar as text, whole or for one form, with examples."""

from __future__ import annotations

import re
from functools import cache

from logos_cli.errors import UsageError
from logos_cli.grammar.spec import FORMS, Form
from logos_cli.resources import data_path

EXAMPLES: dict[Form, str] = {
    Form.PROTEIN: "<ProteinS>MKTAYIAKQR<ProteinE>",
    Form.ANTIBODY: "<AntibodyS>EVQLVESGGGLVQPGGSLRLSCAAS<AntibodyE>",
    Form.MOLECULE: "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>",
    Form.SITE: "<ProteinS>JFDS<PocketS>S<PocketE>KJEF<PocketS>K<PocketE>KSD<ProteinE>",
    Form.EXPANDED: (
        "<ProteinS>JFDS<PocketS>N[C@@H](CO)C(=O)O<PocketE>KJEF<PocketS>NCCCC[C@H](N)C(=O)O<PocketE>KSD<ProteinE>"
    ),
    Form.TRANSFORMATION: (
        "<ProteinS>JFDS<PocketS>S<PocketE>KJEF<ProteinE><Trans>"
        "<ProteinS>JFDS<PocketS>N[C@@H](CO)C(=O)O<PocketE>KJEF<ProteinE>"
    ),
    Form.SEARCH: "<ProteinS>JFDSSKJEF<ProteinE><Search><ProteinS>JFDS<PocketS>S<PocketE>KJEF<ProteinE>",
    Form.COMPLEX: "<ProteinS>JFDS<PocketS>S<PocketE>KJEF<ProteinE><MoleculeS>CC(=O)N<MoleculeE>",
    Form.MATERIAL: (
        "<MaterialS><MetalS>[Cu][Cu]<MetalE><MoleculeS>O=C([O-])c1cc(C(=O)[O-])cc(C(=O)[O-])c1<MoleculeE><MaterialE>"
    ),
    Form.REACTION: ("<MoleculeS>CC(=O)O<MoleculeE><MoleculeS>CCO<MoleculeE><React><MoleculeS>CCOC(C)=O<MoleculeE>"),
    Form.RETROSYNTHESIS: (
        "<MoleculeS>CCOC(C)=O<MoleculeE><ReverseReact><MoleculeS>CC(=O)O<MoleculeE><MoleculeS>CCO<MoleculeE>"
    ),
}

_RULE = re.compile(r"^(?P<name>[A-Za-z_0-9]+):(?P<body>.*(?:\n[ \t]+\|.*)*)", re.MULTILINE)
_NAME = re.compile(r"(?<![<\w/])[A-Za-z_][A-Za-z_0-9]*(?!\w*>)")


@cache
def lark_text() -> str:
    """Return the text of ``tokenizers/grammar.lark``."""
    return data_path("tokenizers", "grammar.lark").read_text(encoding="utf-8")


@cache
def rules() -> dict[str, str]:
    """Return ``{name: rule}`` in the order of the file."""
    return {match["name"]: match.group() for match in _RULE.finditer(lark_text())}


def definition(form: str | None = None) -> str:
    """Return the whole definition, or the rules that one form needs and an example of it.

    Raises
    ------
    UsageError
        If there is no such form.
    """
    if form is None:
        return lark_text()
    if form not in FORMS:
        raise UsageError(f"unknown form {form!r}", hint=f"forms: {', '.join(FORMS)}")
    known, wanted, queue = rules(), [], [form]
    while queue:
        name = queue.pop(0)
        if name not in wanted:
            wanted.append(name)
            body = known[name].split(":", 1)[1]
            queue += [rule for rule in _NAME.findall(re.sub(r"/.*/", "", body)) if rule in known]
    lines = [known[name] for name in sorted(wanted, key=list(known).index)]
    return "\n".join([*lines, "", f"// example: {EXAMPLES[Form(form)]}", ""])
