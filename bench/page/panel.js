"use strict";
// The what-if panel: calexnet/costs.py and bench/model/what_if.py once more, for the page. Numbers in
// full stand in the value of each <data>, those to be read in its text.

const models = JSON.parse(document.getElementById("what-if-data").textContent);
const form = document.getElementById("what-if-form");
const sliders = [...form.querySelectorAll("input[type=range]")];
const names = { cascade: "cascade is faster", plain: "plain is faster", unclear: "unclear" };
let rates = [];

// The model.

/** Probabilities of 0 to `count` successes. */
function binomial(count, share) {
  const chances = new Array(count + 1).fill(0);
  if (share <= 0 || share >= 1) {
    chances[share >= 1 ? count : 0] = 1;
    return chances;
  }
  let logWays = 0;
  for (let k = 0; k <= count; k++) {
    chances[k] = Math.exp(logWays + k * Math.log(share) + (count - k) * Math.log1p(-share));
    logWays += Math.log((count - k) / (k + 1));
  }
  return chances;
}

/** ms of one call of `size` images: linear between the batch sizes that were measured. */
function callMs(grid, imageMs, size) {
  const upper = grid.findIndex((batch) => batch >= size);
  const above = grid[upper] * imageMs[upper];
  if (upper === 0 || grid[upper] === size) return above;
  const below = grid[upper - 1] * imageMs[upper - 1];
  return below + ((above - below) * (size - grid[upper - 1])) / (grid[upper] - grid[upper - 1]);
}

/** Expected ms of one batch: each segment sees those that no earlier branch let out, gathered. */
function expectedCallMs(model, batch, rates) {
  let total = 0;
  let left = 0;
  model.segment_ms.forEach((imageMs, segment) => {
    const chances = binomial(batch, 1 - left);
    for (let size = 1; size <= batch; size++) {
      if (chances[size] > 0) total += chances[size] * callMs(model.grid, imageMs, size);
    }
    if (segment > 0) {
      const gone = rates[segment - 1];
      const reach = Math.min(Math.max(1 - left, 0), 1);
      total += model.gather_ms[segment] * batch * reach * (1 - (1 - gone) ** (batch - 1));
    }
    left += rates[segment];
  });
  return total;
}

function predict(model, cell, rates) {
  const ms = expectedCallMs(model, cell.batch, rates) / cell.batch;
  const ratio = ms / cell.plain_ms;
  const [low, high] = [ratio * cell.low, ratio * cell.high];
  return {
    ms,
    ratio,
    low,
    high,
    plain_ms: cell.plain_ms,
    joules: cell.watts === null ? null : (cell.watts * ms) / 1e3,
    plain_j: cell.plain_j,
    verdict: high < 1 ? "cascade" : low > 1 ? "plain" : "unclear",
  };
}

/** Rates that sum to 1 with one of them set: the others keep their proportions. */
function moved(rates, place, share) {
  const others = rates.reduce((sum, rate, i) => (i === place ? sum : sum + rate), 0);
  const rest = 1 - share;
  return rates.map((rate, i) => {
    if (i === place) return share;
    return others > 0 ? (rest * rate) / others : rest / (rates.length - 1);
  });
}

// The page.

const chosen = () => models[form.elements.setting.selectedIndex];
const cellAt = (model, batch) => model.cells.find((cell) => String(cell.batch) === batch);

/** The cell of the chosen batch size; the first one, if it was not measured in this setting. */
function chosenCell(model) {
  const cell = cellAt(model, form.elements.batch.value) ?? model.cells[0];
  form.elements.batch.value = String(cell.batch);
  return cell;
}

function shown(value) {
  const digits = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
  return value.toLocaleString("en-GB", digits);
}

function set(name, value, text) {
  const place = document.querySelector(`[data-what=${name}]`);
  if (value !== null) place.value = String(value);
  place.textContent = text;
}

function draw() {
  const model = chosen();
  const cell = chosenCell(model);
  const found = predict(model, cell, rates);
  rates.forEach((rate, i) => {
    sliders[i].value = String(Math.round(1000 * rate));
    set(`rate${i + 1}`, rate, `${(100 * rate).toFixed(1)} %`);
  });
  set("ms", found.ms, `${shown(found.ms)} ms`);
  set("plain_ms", found.plain_ms, `${shown(found.plain_ms)} ms`);
  set("ratio", found.ratio, found.ratio.toFixed(3));
  set("low", found.low, found.low.toFixed(3));
  set("high", found.high, found.high.toFixed(3));
  if (found.joules !== null) {
    set("joules", found.joules, `${shown(1e3 * found.joules)} mJ`);
    set("plain_j", found.plain_j, `${shown(1e3 * found.plain_j)} mJ`);
  }
  document.getElementById("what-if-joules").hidden = found.joules === null;
  set("verdict", found.verdict, names[found.verdict]);
  document.getElementById("what-if-verdict").className = `cell ${found.verdict}`;
  const longest = Math.max(found.ms, found.plain_ms);
  document.getElementById("what-if-ours").style.width = `${(100 * found.ms) / longest}%`;
  document.getElementById("what-if-plain").style.width = `${(100 * found.plain_ms) / longest}%`;
  drawBatches(model);
  document.getElementById("what-if-link").hash = address(model, cell);
}

/** The ratio at every batch size, for the same exit rates. */
function drawBatches(model) {
  for (const place of form.querySelectorAll("td[data-batch]")) {
    const cell = cellAt(model, place.dataset.batch);
    const found = cell && predict(model, cell, rates);
    place.className = found ? `cell ${found.verdict}` : "";
    place.dataset.ratio = found ? String(found.ratio) : "";
    place.textContent = found
      ? shown(found.ratio) + (found.verdict === "unclear" ? "?" : "") : "";
  }
}

// A state is an address: #what-if?target=...&precision=...&threads=1&batch=8&rates=0.1,0.9

function address(model, cell) {
  const { target, precision, threads } = model;
  const state = { target, precision, threads, batch: cell.batch, rates: rates.join(",") };
  return `what-if?${new URLSearchParams(state)}`;
}

/** Take the state that the address asks for; what it leaves out, or says wrongly, stays. */
function obey() {
  const [place, asked] = location.hash.slice(1).split("?");
  if (place !== "what-if" || !asked) return;
  const state = new URLSearchParams(asked);
  const setting = models.findIndex((model) =>
    ["target", "precision", "threads"].every((k) => (state.get(k) ?? "") === String(model[k])));
  if (setting >= 0) {
    form.elements.setting.selectedIndex = setting;
    rates = [...chosen().exit_rates];
  }
  if (cellAt(chosen(), state.get("batch"))) {
    form.elements.batch.value = state.get("batch");
  }
  const wanted = (state.get("rates") ?? "").split(",").map(Number);
  const sum = wanted.reduce((total, rate) => total + rate, 0);
  if (wanted.length === rates.length && wanted.every((r) => r >= 0) && Math.abs(sum - 1) < 1e-6) {
    rates = wanted;
  }
  draw();
  document.getElementById("what-if").scrollIntoView();
}

const presets = {
  seen: () => [...chosen().exit_rates],
  late: () => rates.map((_, i) => (i === rates.length - 1 ? 1 : 0)),
  early: () => {
    const mix = [...chosen().exit_rates.slice(0, -1), 0];
    const total = mix.reduce((sum, rate) => sum + rate, 0);
    return mix.map((r, i) => (total > 0 ? r / total : i < mix.length - 1 ? 1 / (mix.length - 1) : 0));
  },
};

form.elements.setting.addEventListener("change", () => {
  rates = presets.seen();
  draw();
});
form.elements.batch.addEventListener("change", draw);
sliders.forEach((slider, place) => {
  slider.addEventListener("input", () => {
    rates = moved(rates, place, Number(slider.value) / 1000);
    draw();
  });
});
for (const button of form.querySelectorAll("button[data-preset]")) {
  button.addEventListener("click", () => {
    rates = presets[button.dataset.preset]();
    draw();
  });
}
form.querySelector("fieldset").disabled = false;
rates = presets.seen();
draw();
obey();
addEventListener("hashchange", obey);
