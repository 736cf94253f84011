"""The social graph of the page on a made-up society, in a real browser."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.web.browser.conftest import wait_until

HERE = Path(__file__).parent
STATIC = HERE.parents[2] / "recgpt" / "web" / "static"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; img-src 'self' data:"


class Files(SimpleHTTPRequestHandler):
    """The page's static files under /static, the test's own beside them, under the page's policy."""

    def translate_path(self, path: str) -> str:
        folder = STATIC if path.startswith("/static/") else HERE
        return str(folder / Path(path).name)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CSP)
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def address():
    """Where the test page is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(HERE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/graph.html"
        server.shutdown()


@pytest.fixture
def open_page(open_tab, address):
    """Opens the test page."""

    def open_at(**options):
        page = open_tab(address, **{"viewport": {"width": 1000, "height": 700}, **options})
        wait_until(page, "window.graph")
        return page

    return open_at


def settle(page, n, n_agents=None):
    page.evaluate(f"graph.setGraph(makeGraph({n}, {n_agents or n}))")
    wait_until(page, "graph.isSettled")


def where(page, agent):
    return page.evaluate(
        """(id) => {
            const box = graph.canvas.getBoundingClientRect(), at = graph.screen(graph.drawn.at.get(id));
            return [box.left + at.x, box.top + at.y];
        }""",
        agent,
    )


def positions(page):
    return page.evaluate("[...graph.drawn.x, ...graph.drawn.y]")


def test_a_layout_is_the_same_in_a_worker_and_in_the_page_and_keeps_its_nodes_apart(open_page):
    page = open_page()
    settle(page, 200)
    assert page.evaluate("graph.settler.worker !== null")
    again = page.evaluate(
        """async () => {
            const { ForceLayout } = await import("/static/layout_worker.js");
            const { GraphIndex, drawnAgents } = await import("/static/graph_model.js");
            const index = new GraphIndex(makeGraph(200)), drawn = drawnAgents(index, index.graph.nodes);
            const heat = drawn.place(new Map());
            const layout = new ForceLayout({ ...drawn, radius: drawn.radius.map((size) => size * 1.25), heat });
            while (layout.tick());
            return [...layout.x, ...layout.y];
        }"""
    )
    assert positions(page) == again
    points = list(zip(again[:200], again[200:], strict=True))
    nearest = [min((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for b in points if b is not a) ** 0.5 for a in points]
    assert min(nearest) > 5


def test_a_changed_graph_starts_from_the_last_positions(open_page):
    page = open_page()
    settle(page, 200)
    before = positions(page)
    page.evaluate("graph.setGraph(makeGraph(200))")  # of the same links: nothing moves
    assert page.evaluate("graph.isSettled")
    assert positions(page) == before
    page.evaluate("const next = makeGraph(200); next.links.pop(); next.links.pop(); graph.setGraph(next)")
    wait_until(page, "graph.isSettled")
    width = max(before[:200]) - min(before[:200])
    moved = [abs(a - b) for a, b in zip(before, positions(page), strict=True)]
    assert sum(moved) / len(moved) < width / 10


def test_hover_click_drag_wheel_and_keys(open_page):
    page = open_page()
    settle(page, 60)
    x, y = where(page, 3)
    page.mouse.move(x, y)
    tooltip = page.locator(".graph-tooltip")
    assert tooltip.inner_text().startswith("<img src=x onerror=alert(1)>\nIdle · ")
    page.mouse.click(x, y)
    assert page.evaluate("selected") == [3]
    assert page.locator(".graph-neighbours summary").inner_text().startswith("Friends of <img src=x")
    page.locator(".graph-neighbours summary").click()
    page.locator(".graph-neighbours button").first.click()
    assert page.evaluate("selected.length") == 2

    x, y = where(page, 3)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y + 30, steps=4)
    page.mouse.up()
    wait_until(page, "graph.isSettled")
    assert where(page, 3) == pytest.approx([x + 50, y + 30], abs=1)

    scale = page.evaluate("graph.view.scale")
    page.mouse.wheel(0, -300)
    assert page.evaluate("graph.view.scale") > scale
    page.locator("#graph").focus()
    page.keyboard.press("0")
    wait_until(page, f"Math.abs(graph.view.scale - {scale}) < 0.3 * {scale}")
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    assert page.evaluate("graph.selectedId") is None
    page.keyboard.press("ArrowRight")
    first = page.evaluate("graph.selectedId")
    page.keyboard.press("ArrowRight")
    assert where(page, page.evaluate("graph.selectedId"))[0] > where(page, first)[0]
    page.keyboard.press("Enter")
    assert "friends and theirs" in page.locator(".graph-where").inner_text()
    page.get_by_role("button", name="Back").click()
    assert page.locator(".graph-where").inner_text().startswith("60 agents, ")


def test_two_fingers_zoom(open_page):
    page = open_page(has_touch=True, viewport={"width": 390, "height": 700})
    settle(page, 60)
    scale = page.evaluate("graph.view.scale")
    client = page.context.new_cdp_session(page)
    for kind, apart in (("Start", 20), ("Move", 40), ("Move", 60)):
        points = [{"x": 200 - apart, "y": 300, "id": 0}, {"x": 200 + apart, "y": 300, "id": 1}]
        client.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("graph.view.scale") == pytest.approx(3 * scale, rel=0.1)


def test_ten_thousand_agents_are_clusters_which_open(open_page):
    page = open_page()
    settle(page, 1000, n_agents=10_000)
    assert page.locator(".graph-where").inner_text() == "10,000 agents in 12 clusters"
    assert page.evaluate("graph.drawn.nodes.length") == 12
    page.mouse.click(*where(page, 4))
    assert page.locator(".graph-where").inner_text().startswith("Sci-Fi: 83 of ")
    wait_until(page, "graph.isSettled")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Back").press("Enter")
    page.evaluate("graph.select(5); graph.setEgo(5)")
    assert "Agent 5, friends and theirs" in page.locator(".graph-where").inner_text()
    assert 2 < page.evaluate("graph.drawn.nodes.length") <= 300


def test_reduced_motion_shows_only_the_last_positions(open_page):
    page = open_page(reduced_motion="reduce")
    page.evaluate(
        "const settled = graph.settled; window.seen = 0; const fit = graph.fit;"
        "graph.draw = () => { seen += 1; }; graph.setGraph(makeGraph(1000)); window.seen = 0;"
    )
    wait_until(page, "graph.isSettled")
    assert page.evaluate("seen") <= 2


@pytest.mark.thorough
@pytest.mark.slow
def test_frames_a_second_with_a_thousand_agents(open_page):
    page = open_page()
    settle(page, 1000)
    assert page.evaluate("framesPerSecond(3, 1000)") > 20  # 60 on a quiet machine; benchmarks/web measures
