"""The data sets of the notebooks: real ones where a folder is named, else generated ones."""

from dataclasses import replace
from shutil import copy

import pytest
import torch
from builders import mpii as make_mpii
from builders import muco as make_muco
from builders import mupots as make_mupots
from scipy.io import loadmat
from test_coco import person
from test_coco import written as write_coco

from posekit.data import mupots
from posekit.data.batch import UNKNOWN, unit_range
from posekit.data.check import CHECKS
from posekit.geometry.skeleton import LSP14, MPII16, MUCO21
from posekit.metrics.mupots import RELATIVE
from posekit.models.integral import BOX
from posekit.models.zoo import NETWORKS
from posekit.training import integral
from posekit.training.augment import Augmented
from posekit.training.data_sets import NAMES, DataSets
from posekit.training.study import Study

HERE = DataSets({}, workers=0)


def test_without_folders_everything_is_generated():
    people = HERE.people("valid", 3, size=32)
    assert (people.name, len(people), people.batch.skeleton.name) == ("studio-wild", 3, "MPII-16")
    actors = HERE.actors(("S9",), size=32, every=10, step=30, generated={"frames": 10})
    assert actors.name == "studio-pictures" and set(actors.frames["subject"]) == {"S9"}
    assert HERE.cmu(every=1, detector="truth") is None
    assert HERE.spin_mixture(size=32) is None and HERE.body_tests(size=32, step=1) == []
    assert HERE.muco(people, size=32, step=1) is None and HERE.mupots(size=32, step=1) is None
    others = HERE.others(2, frames=2, every=1, detector="noisy")
    assert (others.name, {*others.frames["subject"]}) == ("studio-others", {"S12", "S13"})
    assert HERE.body().name.startswith("body-")


def test_true_2d_joints_make_another_data_set():
    """Else the records of both would be of one data set, and stand for each other."""
    assert not any("-" in name for name in NAMES)  # what a hyphen parts is the folder's name
    for detector, ending in (("noisy", ""), ("truth", "-truth")):
        how = {"frames": 2, "every": 1, "detector": detector}
        assert HERE.poses(**how).name == f"studio{ending}"
        assert HERE.others(1, **how).name == f"studio-others{ending}"


def test_true_2d_joints_of_real_motion_do_too(shared, tmp_path):
    walks = shared / "cmu_mocap" / "asfamc" / "02"
    (tmp_path / "02").symlink_to(walks, target_is_directory=True)
    data = DataSets({"cmu": tmp_path})
    for detector, name in (("noisy", "cmu"), ("truth", "cmu-truth")):
        assert data.cmu(every=200, detector=detector).name == name


def test_people_of_no_split_are_there_where_a_size_wants_them_and_human36m_is_not(tmp_path):
    setting = {"side": 32, "every": 300, "more actors": 2, "more step": 120}
    setting |= {"others": 0, "others step": 1}
    more, others = HERE.of_no_split(setting)
    assert (more.name, {*more.frames["subject"]}) == ("studio-more", {"S32", "S33"})
    assert others is None
    assert DataSets({"human36m": tmp_path}).of_no_split(setting) == (None, None)


def test_generated_occluders_depend_on_the_seed():
    shapes = [HERE.occluders(seed)[0].tobytes() for seed in (0, 0, 1)]
    assert shapes[0] == shapes[1] != shapes[2] and len(HERE.occluders(0)) == 50


def test_mpii_takes_the_place_of_strangers(tmp_path, capsys):
    made = make_mpii.people()
    make_mpii.write_h5(tmp_path / "valid.h5", made)
    real = DataSets.named(f"mpii={tmp_path}", workers=0)
    assert "mpii" in real and "human36m" not in real
    assert real.people("valid", 2, size=32).name == "studio-wild"
    assert "generated people take the place of MPII's" in capsys.readouterr().out
    make_mpii.write_pictures(tmp_path / "images", made)
    people = real.people("valid", 2, size=32)
    assert people.name == "mpii" and people.heads is not None
    wide = real.people("valid", 2, size=32, rule="bouchiat")
    assert people.version.endswith(", kim crop") and wide.version.endswith(", bouchiat crop")


def test_photographs_take_the_place_of_strangers(shared):
    real = DataSets.named(f"lspet={shared / 'lspet'}", workers=0)
    learn, judge = (real.people(split, 3, size=32) for split in ("train", "valid"))
    assert learn.name == judge.name == "lspet" and len(learn) == len(judge) == 3
    assert [(a.frames["frame"] + 1).tolist() for a in (learn, judge)] == [
        [1, 2, 3],
        [2001, 2002, 2003],
    ]
    at = lambda *names: judge.batch.joints2d[:, [MPII16.index(name) for name in names]].mean(1)
    assert torch.allclose(at("pelvis"), at("left_hip", "right_hip"))  # that LSP has not
    assert torch.allclose(at("mid_shoulders"), at("left_shoulder", "right_shoulder"))
    table = loadmat(shared / "lspet" / "joints.mat")["joints"][:, :2, 2000]  # of picture 2001
    labelled = torch.tensor([MPII16.index(name) for name in LSP14.joints])
    ours = judge.batch.joints2d[0, labelled]
    theirs = torch.from_numpy(table).float()
    apart = lambda points: torch.cdist(points, points)
    scale = apart(ours).max() / apart(theirs).max()  # a crop moves and scales, no more
    assert torch.allclose(apart(ours), scale * apart(theirs), atol=1e-3)


def test_a_name_that_nobody_reads_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not NAME=FOLDER with a name of human36m"):
        DataSets.named(f"mnist={tmp_path}")


def test_every_data_set_that_a_notebook_can_be_given_can_be_checked():
    assert set(NAMES) == set(CHECKS)


def test_spin_s_labels_need_smpl(tmp_path):
    with pytest.raises(ValueError, match="spin needs smpl, too"):
        DataSets.named(f"spin={tmp_path}").spin_mixture(size=32)


def test_pascal_voc_s_objects_are_pasted_in_the_place_of_shapes(shared, tmp_path):
    for part in ("JPEGImages", "SegmentationObject"):
        (tmp_path / part).symlink_to(shared / "voc3" / part)
    annotations = tmp_path / "Annotations"  # of two of its three pictures, whose numbers fit
    annotations.mkdir()
    for number in ("2011_000003", "2011_000025"):
        copy(shared / "voc3" / "Annotations_derived" / f"{number}.xml", annotations)
    real = DataSets.named(f"voc={tmp_path}")
    cutouts = real.occluders(0)
    assert cutouts and cutouts is real.occluders(1)  # cut out once
    assert all(cutout.dtype == "uint8" and cutout.shape[2] == 4 for cutout in cutouts)
    people = HERE.people("valid", 3, size=32)
    pasted = replace(people, occluders=cutouts)
    about = {"augmentation": "bouchiat: VOC", "targets": integral.targets, "seed": 0}
    indices = torch.arange(3)
    pictures, _ = Augmented(pasted, **about).samples(indices)
    assert not torch.equal(pictures, unit_range(people.batch.images))
    assert pasted.fingerprint() != people.fingerprint()


# ---- MuCo-3DHP and MuPoTS-3D


@pytest.fixture
def muco(tmp_path):
    """MuCo's folder: two pictures, three people who are trained on."""
    near, far, aside = make_muco.NEAR, make_muco.FAR, make_muco.ASIDE
    make_muco.written(tmp_path / "muco", [[near, aside], [far]])
    return tmp_path / "muco"


@pytest.fixture
def crowds(tmp_path, monkeypatch):
    """MuPoTS's folder, of two of its takes with three people each."""
    sizes = {name: mupots.SIZES[name] for name in ("TS1", "TS6")}
    monkeypatch.setattr(mupots, "SIZES", sizes)
    for take in sizes:
        make_mupots.write_take(tmp_path / "mupots", take)
    return tmp_path / "mupots"


def test_muco_is_mixed_with_people_who_have_no_depths(muco, tmp_path):
    strangers = HERE.people("valid", 2, size=32)
    mixed = DataSets.named(f"muco={muco}", workers=0).muco(strangers, size=32, step=1)
    assert (mixed.name, len(mixed)) == ("muco+studio-wild", 5)
    write_coco(tmp_path / "coco", [person(1), person(2, picture=2)], "train2017")
    both = DataSets.named(f"muco={muco},coco={tmp_path / 'coco'}", workers=0)
    mixed = both.muco(strangers, size=32, step=1)
    batch = mixed.batch
    assert mixed.name == "muco+coco" and batch.skeleton == MUCO21
    assert batch.has_joints3d.tolist() == [True] * 3 + [False] * 2

    def place(joint):
        return batch.joints2d[3:, MUCO21.index(joint)]

    # Moon et al. add a thorax and a pelvis to COCO's joints: the middles of shoulders and hips.
    for middle, end in (("neck_base", "shoulder"), ("pelvis", "hip")):
        ends = (place(f"left_{end}") + place(f"right_{end}")) / 2
        assert torch.allclose(place(middle), ends, atol=1e-4)
    unknown = {MUCO21.joints[i] for i in (batch.visible[3] == UNKNOWN).nonzero().flatten()}
    hands_and_toes = {f"{side}_{end}" for side in ("left", "right") for end in ("hand", "toe")}
    assert unknown == {"head_top", "spine", "mid_head"} | hands_and_toes


def test_coco_without_muco_is_refused(tmp_path):
    strangers = HERE.people("valid", 2, size=32)
    with pytest.raises(ValueError, match="coco needs muco, too"):
        DataSets.named(f"coco={tmp_path}").muco(strangers, size=32, step=1)


def test_exact_joints_are_all_correct_on_mupots(crowds):
    test = DataSets.named(f"mupots={crowds}", workers=0).mupots(size=32, step=1)
    exact = integral.targets(test.batch)[..., :3]
    protocols = [integral.PROTOCOLS[name] for name in RELATIVE if "3dpck" in name]
    rows = integral.quantities("exact", exact, test, protocols, 1.0)
    assert {row[0] for row in rows} == {"pck/exact", "pck/exact/TS1", "pck/exact/TS6"}
    assert {row[2] for row in rows} == {"mupots"} and {row[3] for row in rows} == {100.0}
    # A wrist half a metre too deep: its bone gets the true length, and points elsewhere.
    wrong = exact.clone()
    wrong[:, MUCO21.index("left_wrist"), 2] += 500 / BOX
    rows = integral.quantities("wrong", wrong, test, protocols, 1.0)
    assert 100 * 13 / 14 <= rows[0][3] < 100


def test_networks_of_both_skeletons_are_tested_on_mupots(muco, crowds, tmp_path, monkeypatch):
    """As mobile.ipynb does it: 21 joints trained on MuCo, else Human3.6M's 17."""
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    study = Study("choi2021", data=f"muco={muco},mupots={crowds}", device="cpu")
    side = study.setting["side"]
    strangers = study.data.people("valid", 4, size=side)
    mixed, test = (
        study.data.muco(strangers, size=side, step=1),
        study.data.mupots(size=side, step=2),
    )
    assert len(test) == 3 and len(test.people) == 3
    shape = {"side": side, "width": 0.125, "channels": 64, "depth": 8}
    own = {"large": {"network": "mobile", "shape": shape | {"joints": len(MUCO21)}}}
    how = {"augmentation": "choi2021", "recipe": {"batch": 4, "epochs": 1}}
    runs = study.train(integral.Integral(NETWORKS), own, mixed, [(test, RELATIVE)], **how)
    record = runs["large", 0].record
    assert record["data"]["name"] == "muco+studio-wild"
    rows = {(row["quantity"], row["card"], row["data"]) for row in record["quantities"]}
    assert ("pck/large", "mupots-3dpck-rel", "mupots") in rows  # as choi2021-043 asks for it
    assert ("pck/large/TS6", "mupots-3dpck-rel", "mupots") in rows
    actors = study.data.actors(("S9",), size=side, every=10, step=30, generated={"frames": 10})
    runs = study.train(
        integral.Integral(NETWORKS),
        {"large": {"network": "mobile", "shape": shape}},
        actors,
        [(actors, ["h36m-moon-p2"]), (test, RELATIVE[:1])],
        **how,
    )
    scores = study.results(runs, metric="pck").frame
    assert scores.columns.tolist() == [RELATIVE[0]]
