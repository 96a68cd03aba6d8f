"""One colour a side and one shade a class, the same in page, figures and QDA project."""

from __future__ import annotations

import colorsys

from policy_bert.labels import LabelScheme

GROUP_COLOURS = ("#2563a8", "#2e7d4f", "#c2571a", "#7b4ea3", "#a3324e", "#5f6b7a")


def group_colours(scheme: LabelScheme) -> dict[str, str]:
    """The colour of each side, by its id, as `#rrggbb`; colours repeat after the sixth."""
    return {group.id: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, group in enumerate(scheme.groups)}


def label_colours(scheme: LabelScheme) -> tuple[str, ...]:
    """The colour of each class: shades of its side's colour, from dark to light in the order of the ids."""
    sides = group_colours(scheme)
    colours = []
    for label in scheme.labels:
        fellows = scheme.in_group(label.group)
        lighter = 0.5 * fellows.index(label) / max(1, len(fellows) - 1)
        colour = sides.get(label.group, GROUP_COLOURS[0])
        hue, light, saturation = colorsys.rgb_to_hls(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))
        parts = colorsys.hls_to_rgb(hue, light + (1 - light) * lighter, saturation)
        colours.append("#" + "".join(f"{round(255 * part):02x}" for part in parts))
    return tuple(colours)
