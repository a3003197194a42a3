"""Invented competitions whose difficulty is what pictures, folders and classes are called."""

from __future__ import annotations

import unicodedata

from .drawing import drawn
from .form import Files, StandIn, Table, dealt, template_of
from .inventing import cells_right, column_log_loss, invented, numbered, split_pictures
from .making import TEST, pictures

__all__ = ["INVENTED"]


def _paths_with_blanks() -> StandIn:
    """Ids are paths with folders and blanks; file names repeat from folder to folder; the endings are upper-case."""
    kinds = ["Hard coral", "Soft coral", "Sand"]
    train = [f"Site {site}/dive {dive}/IMG {n:04d}.JPG" for site in "AB" for dive in (1, 2) for n in range(1, 16)]
    test = [f"Site C/dive {dive}/IMG {n:04d}.JPG" for dive in (1, 2) for n in range(1, 11)]
    files, numbers, hidden = split_pictures(train, test, 3, ("photos/train/{}", "photos/test/{}"))
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["Photo", "Cover"], test, ["Sand"])
    files["train.csv"] = Table.of(["Photo", "Cover"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    return invented(
        "below-the-surface", files, template, truth, cells_right(template, truth),
        task="single_label", value="label", metric="accuracy", says="Scored by accuracy.",
        classes=sorted(kinds), train=60, labels=["train.csv", "Cover"],
    )  # fmt: skip


def _dotted_ids() -> StandIn:
    """Ids with dots and without ending, several pictures a patient, yes and no as words, a column p_ and its class."""
    train = [f"scan.{n}.{view}" for n in range(1, 31) for view in "ab"]
    test = [f"scan.{n}.{view}" for n in range(40, 52) for view in "ab"]
    words = ["no", "yes"]
    files, numbers, hidden = split_pictures(train, test, 2, ("xray/train/{}.png", "xray/test/{}.png"), form="PNG")
    rows = [(name, name.split(".")[1], ["left", "right"][n % 2], words[n]) for name, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["scan", "patient_id", "side", "fracture"], rows).csv()
    truth = {name: words[n] for name, n in zip(test, hidden)}
    template = template_of(["scan", "p_fracture"], test, [0.5])
    return invented(
        "two-views", files, template, truth, column_log_loss(template, truth, {"p_fracture": "yes"}),
        task="single_label", value="probability", metric="log_loss", says="The score is the log loss.",
        classes=words, train=60, labels=["train.csv", "fracture"], group="patient_id", answer={"positive": "yes"},
    )  # fmt: skip


def _zeros_that_count() -> StandIn:
    """`7` and `0007` are two pictures; classes are codes with leading zeros."""
    codes = ["010", "020", "035"]
    train = [*map(str, range(1, 31)), *(f"{n:04d}" for n in range(1, 31))]
    test = [*map(str, range(51, 61)), *(f"{n:04d}" for n in range(51, 61))]
    files, numbers, hidden = split_pictures(train, test, 3, ("a/{}.jpg", "b/{}.jpg"))
    files["index.csv"] = Table.of(["no", "period"], [(name, codes[n]) for name, n in zip(train, numbers)]).csv()
    truth = {name: codes[n] for name, n in zip(test, hidden)}
    template = template_of(["no", "period"], test, ["010"])
    return invented(
        "old-stamps", files, template, truth, cells_right(template, truth), at="answers_example.csv",
        task="single_label", value="label", metric="accuracy", says="Categorization accuracy.",
        classes=codes, train=60, labels=["index.csv", "period"], shown={name: f"b/{name}.jpg" for name in test},
    )  # fmt: skip


def _all_alphabets() -> StandIn:
    """Ids and classes with Umlauts, Cyrillic and Chinese; the tables are composed (NFC), the files' names are not."""
    kinds = ["Röhrling", "Täubling", "белый гриб", "菇2", "茶2"]
    train, test = numbered("Fund-Nr-ä{}", 1, 50), numbered("Fund-Nr-ü{}", 1, 20)
    apart = [[unicodedata.normalize("NFD", name) for name in some] for some in (train, test)]
    files, numbers, hidden = split_pictures(apart[0], apart[1], 5, ("Bilder/train/{}.jpg", "Bilder/test/{}.jpg"))
    rows = [(name, kinds[n]) for name, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["Bild", "Art"], rows).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    columns = [unicodedata.normalize("NFD", kind) for kind in reversed(kinds)]
    template = template_of(["Bild", *columns], test, [0.2] * 5)
    stands_for = dict(zip(columns, reversed(kinds)))
    return invented(
        "pilze-im-wald", files, template, truth, column_log_loss(template, truth, stands_for),
        task="single_label", value="probability", metric="log_loss", says="Multi-class logarithmic loss.",
        classes=sorted(kinds), train=50, labels=["train.csv", "Art"],
    )  # fmt: skip


def _other_case() -> StandIn:
    """Lower-case ids with .jpg for files in upper case with .PNG; tags with blanks inside, parted by a bar."""
    tags = ["blue sky", "old house", "river", "stone wall"]
    train, test = numbered("img_{:03x}f.jpg", 16, 48), numbered("img_{:03x}e.jpg", 300, 20)
    sets = [(0,), (1,), (0, 1), (2,), (1, 3), (0, 2, 3), (3,), (0, 1, 2)]
    names = [[name.upper().replace(".JPG", ".PNG") for name in some] for some in (train, test)]
    files, numbers, hidden = split_pictures(names[0], names[1], 8, form="PNG")
    rows = [(name, "|".join(tags[tag] for tag in sets[n])) for name, n in zip(train, numbers)]
    files["train_tags.csv"] = Table.of(["image", "tags"], rows).csv()
    truth = {name: tuple(tags[tag] for tag in sets[n]) for name, n in zip(test, hidden)}
    template = template_of(["image", "tags"], test, ["old house"])
    return invented(
        "views-of-a-valley", files, template, truth, cells_right(template, truth, mark="|"),
        task="multi_label", value="tags", metric="f1_samples",
        says="The mean F1 score over images, F1 being worked out for each image.",
        classes=tags, train=48, labels=["train_tags.csv", "tags"], answer={"separator": "|"},
    )  # fmt: skip


def _class_last() -> StandIn:
    """The class stands at the end of each training picture's name."""
    kinds = ["daisy", "poppy", "rose"]
    numbers, hidden = dealt("last", 45, 3), dealt("last test", 15, 3)
    train = [f"{at:04d}_{kinds[n]}.png" for at, n in enumerate(numbers)]
    test = numbered("{:04d}.png", 500, 15)
    files = {
        **pictures("training/{}", train, numbers, 3, 0, form="PNG"),
        **pictures("testing/{}", test, hidden, 3, TEST, form="PNG"),
    }
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "flower"], test, ["daisy"])
    return invented(
        "three-flowers", files, template, truth, cells_right(template, truth),
        task="single_label", value="label", metric="accuracy", says="Accuracy.", classes=kinds, train=45,
        labels=["name"],
    )  # fmt: skip


def _class_between() -> StandIn:
    """The class stands between two numbers in each training picture's name."""
    kinds = ["ash", "beech", "oak"]
    numbers, hidden = dealt("between", 45, 3), dealt("between test", 15, 3)
    train = [f"p{at // 5:02d}_{kinds[n]}_{at:03d}.jpg" for at, n in enumerate(numbers)]
    test = numbered("q{:03d}.jpg", 1, 15)
    files = {**pictures("train/{}", train, numbers, 3, 0), **pictures("test/{}", test, hidden, 3, TEST)}
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["file", *kinds], test, [0.3333333, 0.3333333, 0.3333334])
    return invented(
        "bark", files, template, truth, column_log_loss(template, truth, {kind: kind for kind in kinds}),
        task="single_label", value="probability", metric="log_loss", says="Logarithmic loss.", classes=kinds,
        train=45, labels=["name"],
    )  # fmt: skip


def _two_levels() -> StandIn:
    """Folders of genera hold folders of species, and the template asks for species."""
    tree = {"Quercus": ["robur", "petraea"], "Acer": ["campestre", "rubrum"], "Tilia": ["cordata"]}
    kinds = [species for some in tree.values() for species in some]
    above = {species: genus for genus, some in tree.items() for species in some}
    numbers, hidden = dealt("genus", 60, 5), dealt("genus test", 20, 5)
    files: Files = {}
    for at, n in enumerate(numbers):
        files[f"Trees/train/{above[kinds[n]]}/{kinds[n]}/{at:03d}.jpg"] = drawn(n, 5, at)
    test = numbered("{:04d}", 1, 20)
    files |= pictures("Trees/test/{}.jpg", test, hidden, 5, TEST)
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["id", "species"], test, ["robur"])
    return invented(
        "leafy", files, template, truth, cells_right(template, truth),
        task="single_label", value="label", metric="accuracy", says="Accuracy.", classes=sorted(kinds), train=60,
        labels=["<class>"],
    )  # fmt: skip


def _coded_folders() -> StandIn:
    """Class folders are codes, a table names the classes, and the template's columns are the names in another order."""
    names = {"n014": "Water lily", "n022": "Reed", "n035": "Iris", "n041": "Alder"}
    codes = list(names)
    numbers, hidden = dealt("codes", 48, 4), dealt("codes test", 16, 4)
    files: Files = {f"train/{codes[n]}/{codes[n]}_{at}.jpg": drawn(n, 4, at) for at, n in enumerate(numbers)}
    test = numbered("pic{}", 1, 16)
    files |= pictures("test/{}.jpg", test, hidden, 4, TEST)
    files["classes.csv"] = Table.of(["code", "name"], list(names.items())).csv()
    truth = {name: codes[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "Reed", "Alder", "Water lily", "Iris"], test, [0.25] * 4)
    stands_for = {name: code for code, name in names.items()}
    grader = column_log_loss(template, truth, {name: stands_for[name] for name in template.header[1:]})
    return invented(
        "pond", files, template, truth, grader, task="single_label", value="probability", metric="log_loss",
        says="Multi class log loss.", classes=codes, train=48, labels=["<class>"],
    )  # fmt: skip


def _own_validation() -> StandIn:
    """A validation folder with class folders of its own beside train; a copy of one folder of pictures as thumbnails;
    masks that nobody asks for; the template asks for numbers that a JSON tells."""
    kinds = ["crack", "plain", "spall"]
    numbers, held, hidden = dealt("own", 45, 3), dealt("own valid", 15, 3), dealt("own test", 15, 3)
    files: Files = {f"data/train/{kinds[n]}/{at}.jpg": drawn(n, 3, at) for at, n in enumerate(numbers)}
    files |= {f"data/val/{kinds[n]}/{at + 100}.jpg": drawn(n, 3, at + 500) for at, n in enumerate(held)}
    files |= {f"data/masks/{at}.png": drawn(3, 4, at, form="PNG") for at in range(45)}
    test = numbered("{}", 200, 15)
    files |= pictures("data/test/{}.jpg", test, hidden, 3, TEST)
    files |= pictures("data/test_thumbnails/{}.jpg", test, hidden, 3, TEST, side=12)
    files["class_index.json"] = b'{"plain": 0, "crack": 1, "spall": 2}'
    numbers_of = {"plain": "0", "crack": "1", "spall": "2"}
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["id", "class"], test, ["0"])
    return invented(
        "concrete", files, template, truth, cells_right(template, truth, spelled=lambda name: numbers_of[name]),
        task="single_label", value="label", metric="f1_macro", says="Macro-averaged F1.", classes=kinds,
        labels=["<class>"],
    )  # fmt: skip


def _one_folder() -> StandIn:
    """One folder of pictures for both splits, a split column, a folder of thumbnails, and another of pictures that have
    no label; the flight is the group."""
    names = numbered("f_{:04d}", 1, 70)
    numbers = dealt("one folder", 70, 2)
    words = ["intact", "damaged"]
    files = pictures("tiles/{}.tif", names, numbers, 2, 0, form="TIFF")
    files |= pictures("tiles_small/{}.tif", names, numbers, 2, 0, side=10, form="TIFF")
    files |= pictures("more/{}.tif", numbered("g_{:04d}", 1, 30), numbers, 2, 700, form="TIFF")
    rows = [
        (name, f"flight {at // 7}", 80 + at % 5, "train" if at < 49 else "test", words[n] if at < 49 else "")
        for at, (name, n) in enumerate(zip(names, numbers))
    ]
    files["metadata.csv"] = Table.of(["tile", "session", "height_m", "split", "state"], rows).csv()
    truth = {name: words[n] for name, n in zip(names[49:], numbers[49:])}
    template = template_of(["tile", "damaged"], names[49:], [0])
    return invented(
        "roofs-from-above", files, template, truth, column_log_loss(template, truth, {"damaged": "damaged"}),
        task="single_label", value="probability", metric="log_loss", says="Log loss of the chance of damage.",
        classes=sorted(words), train=49, labels=["metadata.csv", "state"], group="session",
        answer={"positive": "damaged"}, page_tells=("metric", "submission.value", "submission.positive"),
    )  # fmt: skip


def _several_sizes() -> StandIn:
    """Each picture in two sizes and, small, in two formats, in folders beside each other; ids have no ending."""
    kinds = ["birch", "larch"]
    train, test = numbered("{:x}", 5000, 44), numbered("{:x}", 7000, 18)
    files, numbers, hidden = split_pictures(train, test, 2, ("images/full/{}.jpg", "images/full/{}.jpg"))
    for kind, form in (("jpg", "JPEG"), ("png", "PNG")):
        places = (f"images/preview/{{}}.{kind}",) * 2
        files |= split_pictures(train, test, 2, (places[0], places[1]), side=12, form=form)[0]
    files["train.csv"] = Table.of(["tree", "kind"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["tree", "birch", "larch"], test, [0.5, 0.5])
    return invented(
        "two-trees", files, template, truth, column_log_loss(template, truth, {kind: kind for kind in kinds}),
        task="single_label", value="probability", metric="log_loss", says="Log loss.", classes=kinds, train=44,
        labels=["train.csv", "kind"], shown={name: f"images/full/{name}.jpg" for name in test},
    )  # fmt: skip


def _same_names() -> StandIn:
    """Pictures of each class have the same names, and the table tells names and classes apart."""
    kinds = ["finch", "tit"]
    files: Files = {f"train/{kind}/{at}.jpg": drawn(n, 2, at) for n, kind in enumerate(kinds) for at in range(20)}
    rows = [(f"{at}.jpg", kind, at % 4) for kind in kinds for at in range(20)]
    files["train.csv"] = Table.of(["file", "bird", "day"], rows).csv()
    test, hidden = numbered("t{}", 1, 14), dealt("same names", 14, 2)
    files |= pictures("test/{}.jpg", test, hidden, 2, TEST)
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["id", "bird"], test, ["tit"])
    return invented(
        "at-the-feeder", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=40,
    )  # fmt: skip


INVENTED = (
    _same_names(),
    _several_sizes(),
    _paths_with_blanks(),
    _dotted_ids(),
    _zeros_that_count(),
    _all_alphabets(),
    _other_case(),
    _class_last(),
    _class_between(),
    _two_levels(),
    _coded_folders(),
    _own_validation(),
    _one_folder(),
)
