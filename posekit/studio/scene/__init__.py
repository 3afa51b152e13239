"""How a picture comes about: the people in it, what stands around them, light, and the lens.

`photograph.shoot` makes a picture of a `Scene`; `labels.label` says what is known of a person in it.
People come from `cast` and `wardrobe`, places from `rooms` (shells and furniture: `building`,
`furniture`, `halls`, `outdoors`; how they are drawn: `scenery`, `visibility`, `lightmap`; what their
surfaces look like: `atlas`, `surfaces`, `decals`, `skies`) or from the user's `backgrounds`. The data
sets made of such pictures are `data.studio_pictures` and `data.wild`.
"""
