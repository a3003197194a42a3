"""Stand-ins of Kaggle's image competitions: small, drawn, in exactly the original's form.

`INVENTED` are competitions that never were, with traits that no real one here has, or not together.
`STANDINS` holds them by name, `SUPPORTED` those that the program answers, `REFUSED` those that it must turn down with
a reason. `STANDINS[name].write(folder, page=True)` writes the download as it lies there once the outer bundle is
unpacked: archives inside it stay archives. A name is the competition's slug; what stands after "--" tells its
variants apart (`--flat` zips without inner folders, `--index` row numbers in the template, `--code` the few test
pictures of a download where only notebooks are accepted).
"""

from __future__ import annotations

from . import (
    animals,
    invented_answers,
    invented_names,
    invented_tables,
    masks,
    medical,
    plants,
    sick_plants,
    things,
    urls_and_arrays,
)
from .form import Refused, StandIn, Table

__all__ = ["INVENTED", "REFUSED", "STANDINS", "SUPPORTED", "Refused", "StandIn", "Table"]

_FAMILIES = (plants, sick_plants, medical, animals, things, masks, urls_and_arrays)

STANDINS: dict[str, StandIn] = {made.name: made for family in _FAMILIES for made in family.STAND_INS}
SUPPORTED = tuple(name for name, made in STANDINS.items() if made.refused is None)
REFUSED = tuple(name for name, made in STANDINS.items() if made.refused is not None)
_MADE_UP = (invented_names, invented_tables, invented_answers)
INVENTED: dict[str, StandIn] = {made.name: made for family in _MADE_UP for made in family.INVENTED}
