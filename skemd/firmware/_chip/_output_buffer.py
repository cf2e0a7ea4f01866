"""The output buffer of the threshold sum: frames of any length on links of fixed width.

A crossing stores its frame and takes two words of 16 bits out for each link. Three
limits keep the wait short. With F words waiting and N in the new frame: if F + N
exceeds T1, one word takes the frame's place; above T2 waiting words, one word takes the
place of a frame of at most T3 words. So beyond T2 small frames are cut and large ones
kept. What is missing at the end of a crossing is filled with idle words of that
crossing.

Confirmed by captures of a prototype: everything but the last case, a large frame kept
above T2, which is confirmed by the public emulator. The prototype has room for 474
words: what would lie behind comes out as zeros (captures). Open: the room of the
production chip, and what a chip sends in a crossing whose frame is cut while the buffer
runs empty (here idle words).
"""

import numpy as np

from skemd.firmware._chip._bit_fields import N_OUTPUT_WORDS
from skemd.firmware._chip._threshold_sum import HALF_BITS, MOST_HALVES, frame_length

__all__ = ["IDLE_BITS", "frames_of_stream", "through_buffer"]

IDLE_BITS = 11


def through_buffer(frames, *, n_links, limits, room, idle_pattern):
    """Send frames through the buffer, which is empty at first.

    Parameters
    ----------
    frames : Frames
        Of successive crossings.
    n_links : int
        How many output links are enabled.
    limits : (int, int, int)
        T1, T2 and T3, in words of 16 bits.
    room : int or None
        Words that the buffer keeps; None for no limit.
    idle_pattern : int
        The lower eleven bits of idle words.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        Words after the enabled links are zero.
    """
    n_taken = 2 * n_links
    waiting, cut_1, cut_2 = _decisions(frames.lengths, n_taken, limits)
    halves = frames.halves.copy()
    halves[cut_1, 0] = frames.cut_by_t1[cut_1]
    halves[cut_2, 0] = frames.cut_by_t2_and_t3[cut_2]
    stored = np.where(cut_1 | cut_2, 1, frames.lengths)

    places = np.arange(MOST_HALVES)
    if room is not None:
        halves[waiting[:, None] + places >= room] = 0
    stream = halves[places < stored[:, None]]
    taken = np.minimum(waiting + stored, n_taken)

    idle = frames.headers << IDLE_BITS | idle_pattern
    sent = np.repeat(idle.astype(np.uint16)[:, None], n_taken, axis=1)
    sent[np.arange(n_taken) < taken[:, None]] = stream[: taken.sum()]
    words = np.zeros((len(sent), N_OUTPUT_WORDS), dtype=np.uint32)
    words[:, :n_links] = sent[:, ::2].astype(np.uint32) << HALF_BITS | sent[:, 1::2]
    return words


def _decisions(lengths, n_taken, limits):
    """Return how many words wait before each frame, and which frames are cut why."""
    t1, t2, t3 = limits
    waiting = np.empty(len(lengths), dtype=np.int64)
    cut_1, cut_2 = np.zeros((2, len(lengths)), dtype=bool)
    fill = 0
    for crossing, length in enumerate(lengths.tolist()):
        waiting[crossing] = fill
        if fill + length > t1:
            cut_1[crossing] = True
            length = 1
        elif fill > t2 and length <= t3:
            cut_2[crossing] = True
            length = 1
        fill = max(fill + length - n_taken, 0)
    return waiting, cut_1, cut_2


def frames_of_stream(words, *, n_links):
    """Find the frames in what the links carry.

    Frames and idle words cannot be told apart by their bits. But each crossing stores
    one frame, and the buffer sends no idle word before it is empty.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        From a crossing on at which the buffer was empty.
    n_links : int
        How many output links are enabled.

    Returns
    -------
    halves : ndarray of uint16 of shape (n_frames, 26)
        The frames of the first crossings, zeros after their ends. Those that have not
        been sent to their end are left out.

    Raises
    ------
    ValueError
        If there is no frame where one has to be.
    """
    links = words[:, :n_links, None] >> np.array([HALF_BITS, 0], dtype=np.uint32)
    rows = (links & (2**HALF_BITS - 1)).reshape(len(words), 2 * n_links).tolist()
    frames, frame, last = [], [], None
    for crossing, row in enumerate(rows):
        for half in row:
            if not frame and len(frames) > crossing:
                break
            frame.append(half)
            if len(frame) == 1:
                last = _next_header(half, last, crossing)
            try:
                complete = len(frame) == frame_length(frame)
            except ValueError as error:
                raise ValueError(_no_frame(crossing, str(error))) from error
            if complete:
                frames.append(frame)
                frame = []
    halves = np.zeros((len(frames), MOST_HALVES), dtype=np.uint16)
    for row, frame in enumerate(frames):
        halves[row, : len(frame)] = frame
    return halves


def _next_header(half, last, crossing):
    """Return a frame's header, which has to follow that of the frame before."""
    header = half >> IDLE_BITS
    follows = last is None or header == ((0 if last == 31 else last) + 1) % 16
    if header != 31 and not follows:
        raise ValueError(
            _no_frame(crossing, f"a header {header} does not follow a header {last}")
        )
    return header


def _no_frame(crossing, why):
    return (
        f"The words of crossing {crossing} do not begin a frame where one is due: "
        f"{why}. Words must come from a chip of these registers, with the stream "
        "beginning at link 0 and the buffer empty before the first crossing. A "
        "prototype whose buffer rises above 474 words sends zeros and cannot be read; "
        "keep T1 below."
    )
