"""Generated photographs: people, surroundings, light and lens become pixels and labels.

`photograph` draws a `Scene`; `labels` makes a `Batch` of it. People come from `cast` and `wardrobe`,
places from `rooms` (with `building`, `furniture`, `halls`, `outdoors`; drawn by `scenery`,
`visibility`, `lightmap`; textures from `atlas`, `surfaces`, `decals`) or from the user's
`backgrounds`. `studio.pictures` and `studio.wild` are data sets of such pictures.
"""
