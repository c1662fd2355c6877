"""Pages as people have them: opened from a file, in a browser, on a telephone, in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from browser import DRAWN, FAINT, MOST_BYTES, Tab, opened, running_browser, tab
from hour import Hour
from hour import write as write_hour
from pages import EVIL, WORDS, benchmark, compared, page, told, write

from replay.bench.sides import load_side
from replay.compare import compare
from replay.report.bench_files import render_files
from replay.report.page import page_of_benchmark, page_of_comparison

#: How many different colours the rows of the timeline are drawn in.
COLOURS = """
(() => {
  const canvas = document.querySelector("canvas.rows");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with running_browser() as address:
        yield address


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind; in that of the evil run everything that others write is hostile."""
    root = tmp_path_factory.mktemp("pages")
    built = told([(EVIL + "x" * 200, start, end) for _, start, end in WORDS])
    header = built.entries[0]
    built.entries[0] = msgspec.structs.replace(
        header, source=msgspec.structs.replace(header.source, name=EVIL), config={EVIL: EVIL}
    )
    found, base = compared(root)
    for name, each in (("new", found), ("base", base)):
        (root / name / "bench.json").write_bytes(render_files(each, root / name)["bench.json"])
    sides = load_side(root / "base"), load_side(root / "new")
    made = {
        "run": page(write(root / "run", told())).encode(),
        "evil": page(write(root / "evil", built)).encode(),
        "bench": page_of_benchmark(root / "new", found, base),
        "both": page_of_benchmark(root / "ab", benchmark(root / "ab", arms=("A", "B"))),
        "comparison": page_of_comparison(compare(sides[0].side, sides[1].side), *sides),
    }
    for name, data in made.items():
        (root / f"{name}.html").write_bytes(data)
    return {name: root / f"{name}.html" for name in made}


async def press(made: Tab, key: str) -> None:
    """A key, down and up; a letter is typed."""
    text = {"text": key} if len(key) == 1 else {}
    await made.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
    await made.call("Input.dispatchKeyEvent", type="keyUp", key=key)


async def box(made: Tab, row: str = "canvas.rows") -> list[float]:
    """Where the rows are in the window: x, y, width, height; scrolled to first."""
    await made.value(
        f"document.querySelector('{row}').scrollIntoView({{block: 'center', behavior: 'instant'}})"
    )
    found = await made.value(
        f"(({{x, y, width, height}}) => [x, y, width, height])"
        f"(document.querySelector('{row}').getBoundingClientRect())"
    )
    return [float(each) for each in found]


async def drag(made: Tab, begin: float, end: float, row: str = "canvas.rows") -> None:
    """From one share of the rows' width to another, with the mouse."""
    left, top, width, height = await box(made, row)
    for kind, share in (("mousePressed", begin), ("mouseMoved", end), ("mouseReleased", end)):
        await made.call(
            "Input.dispatchMouseEvent",
            type=kind, x=left + share * width, y=top + height / 2,
            button="left", buttons=1, clickCount=1,
        )  # fmt: skip


async def view(made: Tab) -> tuple[float, float]:
    """The stretch in view, in ms, once it is drawn."""
    await made.value(DRAWN)
    found = await made.value("({...document.querySelector('canvas.rows').dataset})")
    return float(found["from"]), float(found["to"])


# ------------------------------------------------------------------ as it opens


@pytest.mark.parametrize("name", ["run", "evil", "bench", "both", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_telephone(browser: str, files: dict[str, Path], name: str, scheme: str) -> None:
    """At a width of 360 pixels nothing sticks out, in the colours that are wished for, and every
    text stands out from what is behind it."""
    async with opened(
        browser, files[name], width=360, scheme=scheme, timeline=name != "comparison"
    ) as made:
        await made.value(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
        )
        assert await made.value("document.documentElement.scrollWidth") == 360
        colour = await made.value("getComputedStyle(document.body).backgroundColor")
        assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
        assert await made.value(FAINT) == []


@pytest.mark.parametrize("name", ["run", "bench", "comparison"])
async def test_without_scripts(browser: str, files: dict[str, Path], name: str) -> None:
    """Verdict, validity, tables and curves are there, and it is said what is not."""
    async with tab(browser) as made:
        await made.call("Emulation.setScriptExecutionDisabled", value=True)
        await made.goto(files[name].as_uri())
        text = await made.text()
        assert "Verdict:" in text
        assert "word first shown" in text
        assert ("drawn by a script" in text) == (name != "comparison")
        # The curve of the first measure can be seen, those of the others can be asked for.
        shown = (
            "[...document.querySelectorAll('.panel')].filter((each) => each.offsetHeight).length"
        )
        before = await made.value(shown)
        assert before >= 1
        assert await made.value(
            "document.querySelector('.straight path.curve').getBoundingClientRect().width > 200"
        )
        await made.value("document.querySelector('#curves-word_final').click()")
        assert await made.value(
            "document.querySelector('#curves-word_final + label + .panel').offsetHeight > 200"
        )
        assert await made.value(shown) == before
        assert made.complaints == []
        assert made.requests == [files[name].as_uri()]


async def test_what_others_wrote_is_not_run(browser: str, files: dict[str, Path]) -> None:
    """Transcripts that look like HTML are text, in tables and in what the timeline says."""
    async with opened(browser, files["evil"]) as made:
        assert (
            await made.value("document.querySelectorAll('b[onclick], script:not([id])').length")
            == 1
        )
        await made.value("document.querySelector('.after').click()")
        details = await made.value("document.querySelector('.details').innerText")
        assert EVIL in details
        assert EVIL in await made.value("document.querySelector('h1').innerText")


async def test_the_logarithmic_axis(browser: str, files: dict[str, Path]) -> None:
    """One switch for all curves."""
    async with opened(browser, files["run"]) as made:
        shown = "document.querySelector('.panel .{}').offsetHeight > 0"
        assert not await made.value(shown.format("logarithmic"))
        await made.value("document.querySelector('#curves-log').click()")
        assert await made.value(shown.format("logarithmic"))
        assert not await made.value(shown.format("straight"))


async def test_reading_a_curve(browser: str, files: dict[str, Path]) -> None:
    """Under the pointer it is told which share lies at or below: of seven finals from 400 to 4,000
    ms, three of them at 1,900."""
    async with opened(browser, files["run"]) as made:
        await made.value("document.querySelector('#curves-word_final').click()")
        told = await made.value(
            """(() => {
              const panel = document.querySelector("#curves-word_final + label + .panel");
              const field = panel.querySelector(".straight svg.field");
              const box = field.getBoundingClientRect();
              const share = (1900 - field.dataset.low) / (field.dataset.high - field.dataset.low);
              const clientX = box.left + share * box.width;
              field.dispatchEvent(new PointerEvent("pointermove", { clientX }));
              return panel.querySelector(".reading").innerText;
            })()"""
        )
        assert told == "at or below 1,900 ms: from plan 42.9 %, from send 42.9 %"


# ------------------------------------------------------------------ the timeline


async def test_the_timeline_is_drawn(browser: str, files: dict[str, Path]) -> None:
    """Whole at first, in many colours, and anew in others when it gets dark."""
    async with opened(browser, files["run"]) as made:
        begin, end = await view(made)
        assert (begin < 0, end > 6000) == (True, True)
        assert await made.value(COLOURS) > 12
        assert await made.value("document.querySelector('.jumps').innerText.includes('reset')")
        before = await made.value("document.querySelector('canvas.rows').toDataURL()")
        await made.scheme("dark")
        await view(made)
        assert await made.value("document.querySelector('canvas.rows').toDataURL()") != before


async def test_zooming_with_buttons_and_keys(browser: str, files: dict[str, Path]) -> None:
    """In, out, along, and back to the whole; never beyond its ends."""
    async with opened(browser, files["run"]) as made:
        whole = await view(made)
        await made.value("document.querySelector('.closer').click()")
        begin, end = await view(made)
        assert end - begin == pytest.approx((whole[1] - whole[0]) / 2, abs=1)
        await made.value("document.querySelector('canvas.rows').focus()")
        await press(made, "+")
        closer = await view(made)
        assert closer[1] - closer[0] == pytest.approx((whole[1] - whole[0]) / 4, abs=1)
        await press(made, "ArrowRight")
        assert (await view(made))[0] > closer[0]
        for _ in range(20):
            await press(made, "ArrowRight")
        assert (await view(made))[1] == whole[1]
        await press(made, "-")
        await press(made, "Home")
        assert await view(made) == whole
        for _ in range(20):
            await press(made, "+")
        closest = await view(made)
        assert closest[1] - closest[0] == pytest.approx(50, abs=0.2)


async def test_zooming_with_the_mouse(browser: str, files: dict[str, Path]) -> None:
    """Dragging takes the stretch between; in the strip below the window is moved; a wheel scrolls
    the page unless Ctrl is held."""
    async with opened(browser, files["run"]) as made:
        whole = await view(made)
        span = whole[1] - whole[0]
        await drag(made, 0.25, 0.5)
        begin, end = await view(made)
        assert begin == pytest.approx(whole[0] + span / 4, abs=span / 50)
        assert end == pytest.approx(whole[0] + span / 2, abs=span / 50)
        await drag(made, 0.4, 0.6, "canvas.whole")
        moved = await view(made)
        assert moved[0] == pytest.approx(begin + 0.2 * span, abs=span / 50)
        for modifiers, zoomed in ((0, False), (2, True)):
            await made.value("document.activeElement.blur()")
            x, y, *_ = await box(made)
            await made.call(
                "Input.dispatchMouseEvent",
                type="mouseWheel", x=x + 300, y=y + 100, deltaX=0, deltaY=-100, modifiers=modifiers,
            )  # fmt: skip
            if zoomed:
                await made.until(
                    f"document.querySelector('canvas.rows').dataset.from !== '{moved[0]:.1f}'"
                )
            assert (await view(made) != moved) == zoomed


async def test_zooming_with_fingers(browser: str, files: dict[str, Path]) -> None:
    """Two fingers that part zoom in."""
    async with opened(browser, files["run"], width=360) as made:
        whole = await view(made)
        x, y, *_ = await box(made)
        for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 120)):
            middle = x + 170
            points = [
                {"x": middle + side * apart / 2, "y": y + 200, "id": side} for side in (-1, 1)
            ]
            await made.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        await made.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        begin, end = await view(made)
        assert end - begin == pytest.approx((whole[1] - whole[0]) / 3, rel=0.05)


async def test_every_version_of_an_utterance(browser: str, files: dict[str, Path]) -> None:
    """Going to it by a key tells each version, and strikes through what was taken back."""
    async with opened(browser, files["run"]) as made:
        await made.value("document.querySelector('canvas.rows').focus()")
        await press(made, "n")
        await view(made)
        text = await made.value("document.querySelector('.details').innerText")
        assert "Utterance 1 of 1, 0:00.60 to 0:04.70" in text
        assert "6 partials, final 400 ms after its end by its own times" in text
        assert "; 1 word was taken back" in text
        assert await made.value("document.querySelector('.details del').innerText") == "cold"
        assert await made.value("document.querySelectorAll('.details tbody tr').length") == 7
        await press(made, "Escape")
        assert "Nothing is selected" in await made.value(
            "document.querySelector('.details').innerText"
        )


async def test_details_by_a_click(browser: str, files: dict[str, Path]) -> None:
    """A click on a final says how late it was, and selects its utterance."""
    async with opened(browser, files["run"]) as made:
        left, top, width, height = await box(made)
        at = {"x": left + width / 2, "y": top + height - 24}
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await made.call(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at
            )
        await made.until("document.querySelector('.details').innerText.includes('Utterance 1')")
        tip = await made.value("document.querySelector('.tip').innerText")
        assert "the old cat sat on a mat" in tip
        assert "400 ms after its end" in tip


async def test_the_detail_follows_the_zoom(browser: str, files: dict[str, Path]) -> None:
    """Text only where there is room for it."""
    async with opened(browser, files["run"], width=360) as made:
        detail = "document.querySelector('canvas.rows').dataset.detail"
        assert await made.value(detail) == "marks"
        for _ in range(3):
            await made.value("document.querySelector('.closer').click()")
        await view(made)
        assert await made.value(detail) == "text"


async def choose(made: Tab, session: str) -> None:
    """As with the list of sessions."""
    await made.value(
        f"""(() => {{
          const which = document.querySelector(".which");
          which.value = "{session}";
          which.dispatchEvent(new Event("change"));
        }})()"""
    )


async def test_choosing_a_session(browser: str, files: dict[str, Path]) -> None:
    """Another session is shown whole, with nothing selected."""
    async with opened(browser, files["both"]) as made:
        await made.value("document.querySelector('.after').click()")
        await choose(made, "session-1")
        await made.until("document.querySelector('.details').innerText.includes('Nothing')")
        begin, end = await view(made)
        assert (begin < 0, end > 4000) == (True, True)


async def test_from_a_slow_word_to_the_timeline(browser: str, files: dict[str, Path]) -> None:
    """The time of a word in the list of the slowest shows it, in its own session."""
    async with opened(browser, files["both"]) as made:
        await choose(made, "session-1")
        at = await made.value(
            """(() => {
              const link = document.querySelector("button.go[data-session='session-0']");
              link.click();
              return Number(link.dataset.at);
            })()"""
        )
        await made.until("document.querySelector('.details').innerText.includes('Utterance')")
        assert await made.value("document.querySelector('.which').value") == "session-0"
        begin, end = await view(made)
        assert begin < at < end
        assert end - begin < 3000


async def test_from_the_course_to_the_timeline(browser: str, files: dict[str, Path]) -> None:
    """A click on latency over time shows that moment."""
    async with opened(browser, files["run"]) as made:
        await made.value(
            """(() => {
              const field = document.querySelector(".straight .course svg.field");
              const box = field.getBoundingClientRect();
              field.dispatchEvent(new MouseEvent("click", { clientX: box.left + box.width / 2 }));
            })()"""
        )
        begin, end = await view(made)
        assert begin < 3200 < end
        assert end - begin < 6000


async def test_on_paper(browser: str, files: dict[str, Path]) -> None:
    """Printed, what answers to hands is left out."""
    async with opened(browser, files["run"]) as made:
        await made.call("Emulation.setEmulatedMedia", media="print")
        for gone in ("nav", ".tools", ".jumps"):
            assert await made.value(f"document.querySelector('{gone}').offsetHeight") == 0
        assert await made.value("document.querySelector('h1').offsetHeight") > 0


# ------------------------------------------------------------------ an hour


async def test_an_hour(browser: str, tmp_path: Path) -> None:
    """36,000 chunks, ten thousand words and their partials are one page of less than 6 MB, which
    is painted before anything is unpacked, and zooms from columns to text."""
    write_hour(tmp_path, Hour())
    file = tmp_path / "hour.html"
    file.write_text(page(tmp_path))
    assert file.stat().st_size < MOST_BYTES
    async with opened(browser, file) as made:
        await made.until("performance.getEntriesByName('first-contentful-paint').length == 1")
        detail = "document.querySelector('canvas.rows').dataset.detail"
        assert await made.value(detail) == "columns"
        assert await made.value(COLOURS) > 12
        for _ in range(10):
            await made.value("document.querySelector('.closer').click()")
        await view(made)
        assert await made.value(detail) == "text"
        assert await made.value("document.querySelectorAll('*').length") < 6000
