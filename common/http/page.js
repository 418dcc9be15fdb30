"use strict";
(() => {
  const STEP = 2000, POINTS = 150, REFRESH = 10000, WIDTH = 600, HEIGHT = 100;
  const series = [["messages", "accepted", ""], ["refused", "refused", "dashed"], ["deferred", "deferred", "dashed"]];
  const live = document.getElementById("live"), button = document.getElementById("pause");
  const points = [];
  let last = null, paused = false;

  const path = (values, top) => values.map((value, index) =>
    (index ? "L" : "M") + ((POINTS - values.length + index) * WIDTH / (POINTS - 1)).toFixed(1) + " " +
    (HEIGHT - 2 - (HEIGHT - 6) * value / top).toFixed(1)).join("");

  function draw() {
    const top = Math.max(1, ...points.flatMap(point => series.map(([name]) => point[name])));
    for (const [name, , ] of series) {
      live.querySelector(`path[data-series="${name}"]`).setAttribute("d", path(points.map(point => point[name]), top));
      live.querySelector(`b[data-series="${name}"]`).textContent = points[points.length - 1][name].toFixed(1);
    }
    live.querySelector("[data-peak]").textContent = top.toFixed(top < 10 ? 1 : 0) + " a second";
  }

  async function get(path) {
    const answer = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(REFRESH)});
    if (!answer.ok)
      throw new Error(answer.statusText);
    return answer;
  }

  async function look() {
    const answer = await get("/status.json");
    const now = await answer.json();
    if (last !== null && now.time > last.time) {
      const point = {};
      for (const [name] of series)
        point[name] = Math.max(0, now[name] - last[name]) * 1000 / (now.time - last.time);
      points.push(point);
      if (points.length > POINTS)
        points.shift();
      draw();
    }
    last = now;
  }

  async function refresh() {
    const answer = await get("/"), selection = getSelection();
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-fresh]")) {
      const fresh = next.getElementById(old.id);
      if (fresh === null || old.contains(document.activeElement) ||
          (!selection.isCollapsed && selection.containsNode(old, true)))
        continue;
      const open = [...old.querySelectorAll("details")].map(one => one.open);
      old.replaceWith(document.adoptNode(fresh));
      fresh.querySelectorAll("details").forEach((one, index) => { one.open = open[index] === true; });
    }
  }

  function every(pause, work) {
    let busy = false;
    setInterval(async () => {
      if (paused || busy || document.hidden)
        return;
      busy = true;
      try {
        await work();
        document.getElementById("lost").hidden = true;
      } catch (problem) {
        last = null;
        document.getElementById("lost").hidden = false;
      }
      busy = false;
    }, pause);
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on updating" : "Stop updating";
    last = null;
  });
  button.hidden = false;
  every(REFRESH, refresh);
  if (live === null)
    return;
  live.hidden = false;
  every(STEP, look);
  look().catch(() => {});
})();
