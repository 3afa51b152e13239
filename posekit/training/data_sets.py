"""The data sets of the notebooks: real ones where `data=` names a folder, else generated ones.

A real data set has one name, `NAME=FOLDER`. Adding one takes its name in NAMES and a branch, or a
method, that reads it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posekit.data import (
    albums,
    cmu,
    coco,
    folders,
    human36m,
    lsp,
    mpii,
    muco,
    mupots,
    pascal_voc,
    spin,
)
from posekit.data import published as checkpoints
from posekit.data.albums import Album
from posekit.data.formats import smpl
from posekit.data.human36m.pictures import Human36mPictures
from posekit.data.mixture import as_skeleton
from posekit.data.pictures import Pictures
from posekit.data.poses import PoseSet, project_motions
from posekit.data.published import Published
from posekit.geometry import body
from posekit.geometry.skeleton import H36M17, MOON_POINTS, MPII16
from posekit.studio import poses as studio
from posekit.studio.motion.anatomy import MORE, OTHERS
from posekit.studio.pictures import StudioPictures
from posekit.studio.scene.occluders import shapes
from posekit.studio.wild import Wild
from posekit.training import rehearsal, spin_evaluation
from posekit.training.code_digest import reachable, sources
from posekit.training.integral import SceneAlbum
from posekit.training.mesh_evaluation import BodyModel
from posekit.training.runs import cache_folder

NAMES = ("human36m", "cmu", "mpii", "voc", "muco", "coco", "mupots", "smpl", "spin")
NAMES += ("mpi_inf_3dhp", "threedpw", "lsp", "lspet", "pose2sim", "published")
OCCLUDERS = 50  # generated shapes, in the place of Pascal VOC's objects


@dataclass(frozen=True)
class DataSets:
    """What the notebooks read, from `folders` by name or generated.

    `workers` processes draw pictures: 0 for this process, None for one a core.
    """

    folders: Mapping[str, Path]
    workers: int | None = None

    @classmethod
    def named(cls, text: str, workers: int | None = None) -> "DataSets":
        """Those of "NAME=FOLDER,NAME=FOLDER"; errors as `posekit.data.folders`."""
        return cls(folders(text, known=NAMES), workers)

    def __contains__(self, name: str) -> bool:
        return name in self.folders

    # ---- 2D and 3D poses
    def poses(self, *, frames: int, every: int, detector: str, detections: str = "gt") -> PoseSet:
        """Human3.6M with these 2D `detections`, else the studio's takes with this `detector`.

        What has true 2D joints in place of the noisy detector's is a data set with a name of its own.
        """
        if "human36m" in self:
            poses = human36m.load(self.folders["human36m"], detections=detections, every=every)
        else:
            poses = studio.load(frames=frames, every=every, detector=detector)
            poses = replace(poses, name=poses.name + _suffix(detector))
        return rehearsal.thinned(poses)

    def cmu(self, *, every: int, detector: str) -> PoseSet | None:
        """CMU's motion capture before the studio's cameras, every `every`-th frame; None without."""
        if "cmu" not in self:
            return None
        motions = studio.place(cmu.load(self.folders["cmu"], hips=True))
        detect = studio.noisy_detector() if detector == "noisy" else None
        cameras = studio.cameras("S9")
        how = {"name": f"cmu{_suffix(detector)}", "every": every, "detect": detect}
        return project_motions(motions, lambda _: cameras, **how)

    def others(self, people: int, *, frames: int, every: int, detector: str) -> PoseSet:
        """The first of the studio's actors S12 to S31, whom no network is trained on."""
        poses = studio.load(frames, every, detector, subjects=OTHERS[:people])
        return rehearsal.thinned(replace(poses, name=f"studio-others{_suffix(detector)}"))

    # ---- pictures
    def read(self, pictures: Pictures, label: str = "pictures", *, step: int = 1, **masks) -> Album:
        """Every `step`-th of some pictures, kept in the cache once they are drawn or cropped."""
        workers = 0 if rehearsal.rehearsing() else self.workers
        how = {"step": step, "workers": workers, "keep": rehearsal.kept} | masks
        modules = sorted(reachable([type(pictures).__module__]))
        how |= {"folder": cache_folder() / "pictures", "code": repr(sources(None, modules))}
        return albums.read(pictures, label, **how)

    def actors(
        self,
        subjects: Iterable[str],
        label: str = "pictures",
        *,
        size: int | Sequence[int],
        every: int,
        step: int = 1,
        real: Mapping = {},
        generated: Mapping = {},
    ) -> Album:
        """Pictures of Human3.6M's subjects, else of the studio's actors of these names.

        Every `every`-th frame of a take, and of these every `step`-th. `real` and `generated` are
        further arguments of `Human36mPictures` and `StudioPictures`.
        """
        about = {"every": every, "size": size}
        if "human36m" in self:
            pictures = Human36mPictures(self.folders["human36m"], subjects, **about, **real)
        else:
            pictures = StudioPictures(subjects, **about, **generated)
        return self.read(pictures, label, step=step)

    def of_no_split(self, setting: Mapping) -> tuple[Album | None, Album | None]:
        """Pictures of the studio's actors whom no paper has: to train on, and to test on.

        By the settings side and every: the first of S32 to S71, beside a paper's four or five, by
        more actors and more step; and the first of S12 to S31, whom no network is trained on, by
        others and others step. None for nobody, and where Human3.6M is there.
        """
        people = {"more": MORE[: setting["more actors"]], "others": OTHERS[: setting["others"]]}
        albums = []
        for kind, subjects in people.items():
            if not subjects or "human36m" in self:
                albums.append(None)
                continue
            pictures = StudioPictures(subjects, size=setting["side"], every=setting["every"])
            album = self.read(pictures, f"studio-{kind}", step=setting[f"{kind} step"])
            albums.append(replace(album, name=f"studio-{kind}"))
        return tuple(albums)

    def people(
        self, split: str, count: int, *, size: int | Sequence[int], rule: str = "kim"
    ) -> Album:
        """Single people of MPII ("train", "valid"), else `count` of LSP extended's or, without
        that, of the studio's strangers.

        With MPII's joints: for pelvis and thorax, that LSP lacks, stand the middles of hips and
        shoulders. `rule` is that of MPII's crops, the studio's are a quarter larger than the person.
        The studio's, with a word of it, also where MPII's folder has annotations and no pictures.
        """
        images = self.folders.get("mpii", Path()) / "images"
        if "mpii" in self and not images.is_dir():
            print(f"there is no {images}: generated people take the place of MPII's")
        if "mpii" in self and images.is_dir():
            people = mpii.load(self.folders["mpii"], split)
            pictures = mpii.MpiiPictures(people, images, size=size, rule=rule)
            return self.read(pictures, "people")
        split = "train" if split == "train" else "test"
        if "lspet" in self:
            pictures = lsp.photographs(self.folders["lspet"], split, size=size, count=count)
            album = self.read(pictures, "people")
            return replace(album, batch=as_skeleton(album.batch, MPII16, {}))
        pictures = Wild(split, count, size=size, skeleton=MPII16, people=1)
        return self.read(pictures, "people")

    def strangers(
        self, count: int, seed: int, *, size: int | Sequence[int], beside: Album | None = None
    ) -> Album:
        """`count` of the studio's strangers with their depths; other people for every seed.

        They are mixed with the pictures `beside`, if there are some.
        """
        people = {"size": size, "skeleton": H36M17, "people": 2}
        album = self.read(Wild("train", count, seed=seed, **people), f"strangers {seed}")
        return albums.mix(album, beside) if beside else album

    def muco(self, strangers: Album, *, size: int, step: int, even: bool = False) -> Album | None:
        """Every `step`-th person of MuCo-3DHP with COCO's people in 2D; None without MuCo-3DHP.

        `strangers` take COCO's place. As Moon et al. do, the middle of the shoulders stands for
        the base of the neck that pictures with 2D joints lack; with `even` epochs show as many of
        both. ValueError for COCO alone.
        """
        if "muco" not in self:
            if "coco" in self:
                raise ValueError(
                    "data: coco needs muco, too: it is trained on beside MuCo-3DHP only"
                )
            return None
        album = self.read(muco.load(self.folders["muco"], size=size), "MuCo-3DHP", step=step)
        if "coco" in self:
            people = coco.load(self.folders["coco"], "train2017", size=size)
            strangers = self.read(people, "COCO", step=step)
        flat = as_skeleton(strangers.batch, MPII16, {})
        flat = as_skeleton(flat, album.batch.skeleton, MOON_POINTS)
        strangers = replace(strangers, batch=flat)
        return albums.mix(album, strangers, withhold_3d=True, even=even)

    def mupots(self, *, size: int, step: int) -> SceneAlbum | None:
        """Every `step`-th annotated person of MuPoTS-3D, to test on; None without."""
        if "mupots" not in self:
            return None
        pictures = mupots.load(self.folders["mupots"], size=size)
        album = self.read(pictures, "MuPoTS-3D", step=step)
        about = album.name, album.version, album.batch, album.frames
        return SceneAlbum(*about, people=rehearsal.few(pictures.people[::step]))

    def occluders(self, seed: int) -> tuple[UInt8[np.ndarray, "_ _ 4"], ...]:
        """Cut-outs to paste over pictures: Pascal VOC's objects, else shapes of this seed."""
        if "voc" in self:
            return self._voc_objects
        return tuple(shapes(np.random.default_rng(seed), OCCLUDERS))

    @cached_property
    def _voc_objects(self) -> tuple[UInt8[np.ndarray, "_ _ 4"], ...]:
        """Pascal VOC's objects, cut out once for all trainings."""
        return tuple(pascal_voc.occluders(self.folders["voc"]))

    # ---- networks
    def published(self, kind: str) -> list[Published]:
        """The published networks of this kind; none without a file or folder of them.

        ValueError where that holds networks of other kinds only, or bodies of SMPL, which is not
        there; errors as `posekit.data.published.read`.
        """
        if "published" not in self:
            return []
        place, found = self.folders["published"], checkpoints.read(self.folders["published"])
        fitting = [each for each in found if each.about.kind == kind]
        if not fitting:
            kinds = ", ".join(sorted({each.about.kind for each in found}))
            raise ValueError(f"data: published={place} has networks of kind {kinds}, not {kind}")
        if kind == "mesh" and "smpl" not in self:
            raise ValueError(
                "data: published needs smpl, too: the bodies of such networks are SMPL's"
            )
        return fitting

    # ---- bodies
    def body(self) -> BodyModel:
        """SMPL, else the free body."""
        return BodyModel(smpl.load(self.folders["smpl"]) if "smpl" in self else body.free())

    def spin_mixture(self, *, size: int) -> Album | None:
        """SPIN's mixture of training sets; None without. ValueError without SMPL."""
        if "spin" not in self:
            return None
        if "smpl" not in self:
            raise ValueError("data: spin needs smpl, too: the bodies in SPIN's files are SMPL's")
        mixed = spin.mixture(self.folders["spin"], size=size)
        album = self.read(mixed, "SPIN's mixture")
        [(_, rows)] = album.origins
        sizes = np.bincount(mixed.which[list(rows)], minlength=len(mixed.sets)).tolist()
        if not all(sizes):
            return album
        share = max(sizes) / np.bincount(mixed.which).max()
        return replace(album, turns=spin.turns(sizes), share=float(share))

    def body_tests(self, *, size: int, step: int) -> list[tuple[Album, tuple[str, ...]]]:
        """The test sets of body regression that are there, with their pose protocols."""
        read = partial(self.read, keep=range)
        return spin_evaluation.tests(self.folders, size=size, step=step, read=read)


def _suffix(detector: str) -> str:
    """The end of the name of poses of which true 2D joints are lifted, not a noisy detector's."""
    return "" if detector == "noisy" else "-truth"
