"""Videos: the times of their frames, names of every kind, kinds that are read, disks that are full,
and folders that have something else already."""

import os
import re
import resource
import signal
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders.networks import finished_run
from test_predict import MIDDLE, SQUARES, bright
from test_predict import movie as square

from posekit.data.formats import video as by_number
from posekit.inference import predict
from posekit.inference.boxes import given_boxes
from posekit.inference.localise import Finder
from posekit.inference.predict import Done, predict_picture, predict_video
from posekit.inference.video import Video, write_video
from posekit.system import shown, write_whole

SIZE = (96, 64)


def pictures(count=6):
    return (np.full((SIZE[1], SIZE[0], 3), 40 * number, np.uint8) for number in range(count))


def movie(path: Path, codec="MJPG", count=6):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25.0, SIZE)
    for picture in pictures(count):
        writer.write(picture)
    writer.release()
    return path


def test_frames_of_variable_rate_carry_their_own_times(tmp_path):
    path = movie(tmp_path / "telephone.mkv")
    content, times = bytearray(path.read_bytes()), [0, 40, 400, 440, 1600, 4000]
    # In a block of Matroska the time, 2 bytes in ms, and a byte of flags stand before the frame.
    starts = [found.start() for found in re.finditer(b"\xff\xd8\xff", content)]
    for start, time in zip(starts, times, strict=True):
        content[start - 3 : start - 1] = struct.pack(">h", time)
    path.write_bytes(content)
    video = Video(path)
    assert video.rate == 25
    assert [frame.time for frame in video.frames()] == pytest.approx([t / 1000 for t in times])
    assert [(frame.number, frame.time) for frame in video.frames(4)] == [(4, 1.6), (5, 4.0)]


def test_names_are_no_language(tmp_path):
    """A colon is no protocol, % no number of a picture, and other bytes than UTF-8 end nothing."""
    made = movie(tmp_path / "made.avi").read_bytes()
    for name in (b"a:b, $5.avi", b"shot%03d.avi", b"file:x.avi", b"\xff\xfe.avi", b"plain"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(made)
        video = Video(path)
        assert len(list(video.frames())) == 6 and video.name == shown(path.name)
        assert by_number.length(path) == 6
        assert by_number.Video(path).frame(3).shape == (*SIZE[::-1], 3)
        folder = tmp_path / os.fsdecode(name + b" out")
        write_whole(folder / "drawn.mp4", lambda part: write_video(part, pictures(), SIZE, 25.0))
        assert len(list(Video(folder / "drawn.mp4").frames())) == 6
        assert [each.name for each in folder.iterdir()] == ["drawn.mp4"]


def test_a_relative_name_is_one_too(tmp_path, monkeypatch):
    movie(tmp_path / "a.avi").rename(tmp_path / "http:b.avi")
    monkeypatch.chdir(tmp_path)
    assert len(list(Video(Path("http:b.avi")).frames())) == 6


def test_uncompressed_video_is_no_text(tmp_path):
    frame = b"FRAME\n" + bytes(range(96)) * 64 + bytes([128]) * (96 * 64 // 2)
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W96 H64 F25:1 Ip A1:1 C420jpeg\n" + 3 * frame)
    assert [each.time for each in Video(path).frames()] == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize("limit", [1000, 20_000])
def test_a_video_that_the_disk_has_no_room_for_is_an_error(tmp_path, limit):
    """OpenCV itself says nothing of it."""
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8) for _ in range(40))
    (tmp_path / "drawn.mp4").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match="can't write .*drawn.mp4"):
            write_whole(tmp_path / "drawn.mp4", lambda part: write_video(part, noise, SIZE, 25.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn.mp4"]
    assert (tmp_path / "drawn.mp4").read_text() == "old"


def test_the_folder_of_a_picture_of_the_same_name_is_not_written_into(tmp_path):
    cv2.imwrite(str(tmp_path / "dance.png"), np.zeros((64, 96, 3), np.uint8))
    out = tmp_path / "dance-people"  # of both, where no --out is given
    predict_picture(tmp_path / "dance.png", Finder(MIDDLE, given_boxes([])), out)
    before = (out / "people.json").read_bytes()
    told = "dance-people has other content already .drawn.jpg, people.json.: choose another --out, "
    with pytest.raises(ValueError, match=f"{told}or say --replace"):
        predict_video(Video(square(tmp_path / "dance.avi", count=2)), SQUARES, out)
    assert (out / "people.json").read_bytes() == before and len(list(out.iterdir())) == 2


def test_replace_begins_anew_and_nothing_is_lost_before_the_first_frame_is_done(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(predict, "_draw_all", lambda *_: None)
    path, out = square(tmp_path / "square.avi", count=3), tmp_path / "out"
    log, video = out / "people.jsonl", Video(path)
    whole = predict_video(video, SQUARES, tmp_path / "whole")
    for other in ("another focal length", "my own notes"):
        predict_video(video, replace(SQUARES, focal=50.0), out, replace=True)
        if other == "my own notes":
            log.write_text("my own notes\n")
        before = log.read_bytes()
        for error in (MemoryError, KeyboardInterrupt):

            def fail(frame, error=error):
                raise error

            failing = replace(SQUARES, detector=bright(before=fail))
            if error is MemoryError:
                with pytest.raises(MemoryError):
                    predict_video(video, failing, out, replace=True)
            else:
                assert predict_video(video, failing, out, replace=True) == (0, 0, True, 3)
            assert log.read_bytes() == before
        assert predict_video(video, SQUARES, out, most=2, replace=True).frames == 2
        assert predict_video(video, SQUARES, out) == whole  # goes on with the new one
        assert log.read_bytes() == (tmp_path / "whole" / "people.jsonl").read_bytes()
    with pytest.raises(NotADirectoryError, match="square.avi is a file, not a folder"):
        predict_video(video, SQUARES, path, replace=True)


def test_the_command_replaces_and_says_how_to_go_on(tmp_path, monkeypatch, command):
    finished_run(tmp_path / "run")
    asked = []

    def stopped(video, finder, out, **how):
        asked.append(how["replace"])
        return Done(2, 2, True, 3)

    monkeypatch.setattr(predict, "predict_video", stopped)
    words = ("predict", square(tmp_path / "square.avi", count=3), "--model", tmp_path / "run")
    for more, says in (((), "command goes on"), (("--replace",), "command without --replace goes")):
        status, said, _ = command(*words, "--detector", "whole", *more)
        assert status == 130 and f"interrupted; the same {says}" in said
    assert asked == [False, True]
