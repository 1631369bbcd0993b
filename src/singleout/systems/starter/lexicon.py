"""The closed lists of small English words that `phrases` reads by, and the singular of a noun."""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ARTICLES = _set("a an the this that these those my your his her its our their some any")
QUANTIFIERS = _set(
    "all both every each only single one two three four five six seven eight nine ten several many few other same "
    "another lone most"
)
PLURAL_WORDS = _set("all both every each two three four five six seven eight nine ten several many few")
GROUPS = _set(
    "pair group bunch herd flock crowd couple set row pile kind type sort piece photo picture image video view "
    "all both each one two three several some any lot lots team pack"
)
PLURAL_GROUPS = GROUPS - _set("pair kind type sort piece photo picture image video view one each set")
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "last": -1}
ORDINALS |= {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6}

POSITIONS = {
    **dict.fromkeys(_set("left leftmost left-most lefthand left-hand"), "left"),
    **dict.fromkeys(_set("right rightmost right-most righthand right-hand"), "right"),
    **dict.fromkeys(_set("middle center centre central"), "middle"),
    **dict.fromkeys(_set("top upper topmost uppermost"), "top"),
    **dict.fromkeys(_set("bottom lower lowest bottommost"), "bottom"),
    **dict.fromkeys(_set("front foreground frontmost closest nearest"), "front"),
    **dict.fromkeys(_set("back background rear farthest furthest hindmost"), "back"),
    **dict.fromkeys(_set("largest biggest tallest"), "largest"),
    **dict.fromkeys(_set("smallest littlest tiniest shortest"), "smallest"),
}
# These are nouns when nothing follows them in their phrase: "the top", "a center".
ALSO_NOUNS = _set("top back bottom center")
_places = "|".join(sorted(POSITIONS, key=len, reverse=True))
PLACE = re.compile(
    rf"(?:(?:(?P<from>from)|on|at|in|to|towards?|near) )?(?:the )?(?:far |very |extreme )?(?P<place>{_places})"
    r"(?: (?:hand|most))?(?: (?:side|part|end|corner|edge|half))?"
    r"(?: (?:of the (?:picture|image|frame|video|screen|scene|photo)|to the camera|to us))?"
)

# A shade is kept as the plain colour that it is closest to.
COLORS = {
    **{name: name for name in _set("black white red green blue yellow orange purple pink brown gray")},
    **dict.fromkeys(_set("grey greyish grayish silver silvery space-grey space-gray ash"), "gray"),
    **dict.fromkeys(_set("crimson scarlet maroon reddish ruby burgundy"), "red"),
    **dict.fromkeys(_set("navy bluish azure turquoise teal cyan aqua"), "blue"),
    **dict.fromkeys(_set("greenish olive lime khaki"), "green"),
    **dict.fromkeys(_set("golden gold blonde blond yellowish"), "yellow"),
    **dict.fromkeys(_set("beige tan brownish chestnut brunette cream"), "brown"),
    **dict.fromkeys(_set("violet lilac magenta lavender mauve purplish"), "purple"),
    **dict.fromkeys(_set("blackish dark-colored"), "black"),
    **dict.fromkeys(_set("whitish ivory"), "white"),
    **dict.fromkeys(_set("pinkish"), "pink"),
}
# Where no noun follows, these are the thing itself: "an orange".
COLORS_THAT_ARE_THINGS = _set("orange chestnut olive lime lavender violet lilac cream ruby gold silver ash ivory")
ADJECTIVE_ENDINGS = ("-haired", "-colored", "-coloured", "-eyed", "-legged", "-sleeved", "feathered", "haired", "-like")
EMPTY = _set("colored coloured color colour main whole entire very really")
NO_NOUNS = EMPTY | _set(
    "big small large little tiny huge tall short long old young elderly new modern wooden metal plastic striped "
    "spotted bright dark light pale shiny hairy furry fluffy fat thin slim round square empty full open closed "
    "wet dry beautiful cute funny male female bald blurry patterned checkered checked colorful colourful "
    "visible standing sitting walking running moving parked flying smiling haired long-haired short-haired "
    "feathered bearded hilly"
)
# Here the first word is no colour.
FIXED = frozenset(
    {
        "golden retriever",
        "golden eagle",
        "red panda",
        "orange juice",
        "blue jay",
        "green bean",
        "yellow jacket",
        "brown bread",
    }
)
PREPOSITIONS = _set(
    "in on at with without of to from by behind before near beside besides under underneath over above below "
    "beneath between through across along around against into onto inside outside off up down past towards toward "
    "next like among amid beyond during for after opposite as while"
)
LINKS = _set("and or but who which whose is are was were being has have that not no")
VERBS = _set(
    "wears rides walks runs jumps holds sits stands moves drives carries plays dances lies wore worn ridden "
    "driven held seen made seated clad dressed parked sits stood doing does"
)
NOUNS_IN_ING = _set(
    "ring king wing building string ceiling clothing painting earring swing sling spring duckling railing pudding "
    "wedding awning sibling thing being sting dumpling gosling sapling drawing stocking lightning evening morning "
    "legging viking ping herring starling icing lining dressing seedling filling housing something anything "
    "nothing everything inkling sterling crossing parking bearing"
)
# Nouns that are verbs where an article or a preposition follows: "a person crossing over …".
ALSO_VERBS = _set("crossing drawing painting parking bearing filling dressing swing")
NOUNS_IN_ING |= ALSO_VERBS
# Worn or grown on a body: "in a suit" says what someone looks like, "in a car" says where someone is.
GARMENTS = _set(
    "accessory apron armor backpack bag bathrobe beanie belt bikini blazer blouse bodysuit boot bow bra bracelet "
    "cap cape cardigan clog cloak clothes clothing coat collar costume dress earring flat frock glasses glove "
    "goggles gown hair hat heel helmet hoodie jacket jean jeans jersey jumper jumpsuit kilt kimono legging "
    "leggings loafer mask necklace outfit overall overalls pajamas pants parka poncho pullover pump pumps purse "
    "raincoat ring robe romper sandal sari scarf shirt shoe shorts skirt slipper sneaker sock stocking suit "
    "sunglasses sweater sweatshirt swimsuit swimwear t-shirt tee tie tights top trousers tshirt tunic turban "
    "tuxedo umbrella undershirt underwear uniform veil vest waistcoat wallet watch wedge wig"
)
RELATIONS: list[tuple[list[str], str]] = [
    (phrase.split(), meaning)
    for phrase, meaning in {
        "in front of": "in front of",
        "in back of": "behind",
        "in the back of": "behind",
        "in the front of": "in front of",
        "to the left of": "left of",
        "on the left of": "left of",
        "on the left side of": "left of",
        "left of": "left of",
        "to the right of": "right of",
        "on the right of": "right of",
        "on the right side of": "right of",
        "right of": "right of",
        "on top of": "on",
        "next to": "next to",
        "close to": "next to",
        "beside": "next to",
        "near": "next to",
        "who is wearing": "wearing",
        "that is wearing": "wearing",
        "who wears": "wearing",
        "wears": "wearing",
        "has": "with",
        "having": "with",
    }.items()
]

_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth", "mice": "mouse",
    "geese": "goose", "oxen": "ox", "knives": "knife", "wolves": "wolf", "leaves": "leaf", "wives": "wife",
    "lives": "life", "loaves": "loaf", "shelves": "shelf", "calves": "calf", "halves": "half", "scarves": "scarf",
    "hooves": "hoof", "elves": "elf", "thieves": "thief", "cacti": "cactus", "dice": "die", "buses": "bus",
    "passers-by": "passer-by", "passersby": "passerby", "hippopotami": "hippopotamus",
}  # fmt: skip
ALWAYS_PLURAL = _set(
    "glasses sunglasses pants trousers jeans shorts tights leggings scissors clothes goggles binoculars overalls "
    "pajamas pliers headphones tweezers spectacles stairs"
)
PLURAL_NOUNS = frozenset({"people", "cattle", "police"})
_SAME = _set(
    "bus gas lens grass glass dress cactus octopus walrus hippopotamus canvas compass cross class mass boss moss "
    "atlas iris virus campus circus focus hibiscus platypus rhinoceros tyrannosaurus asparagus citrus abacus "
    "christmas tennis chess swiss his series species always people police"
)


def singular(word: str) -> str:
    """The singular of an English noun by its ending; words that are always plural stay ("jeans")."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in ALWAYS_PLURAL or word in _SAME or not word.endswith("s") or len(word) < 4:
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    for ending, instead in (
        ("women", "woman"),
        ("ies", "y"),
        ("sses", "ss"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("xes", "x"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    if word.endswith(("oes", "zzes")):
        return word[:-2] if word not in ("shoes", "canoes", "toes", "hoes", "does") else word[:-1]
    return word[:-1]


def colors_of(word: str) -> tuple[str, ...]:
    """The plain colours that a word names: "navy" is blue, "dark-green" green, "black-and-white" both."""
    if word in COLORS:
        return (COLORS[word],)
    parts = re.split(r"-", re.sub(r"-(?:colou?red|ish)$", "", word))
    return tuple(COLORS[part] for part in parts if part in COLORS) if len(parts) > 1 or parts[0] != word else ()
