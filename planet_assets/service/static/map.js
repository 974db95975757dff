// The map: land, footprints coloured by state on one canvas, and the region and scenes of a plan over them.

import * as L from "/page/leaflet/leaflet-src.esm.js";
import { byId, drawn, refill, what } from "/page/dom.js";

export const STATES = ["held", "moving", "waiting", "failed", "known"];
const WORDS = { held: "here", moving: "being fetched", waiting: "waiting for a yes", failed: "failed", known: "only known" };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class Ground {
  constructor(opened) {
    this.opened = opened;
    this.scenes = new Map();
    this.shown = new Set(STATES);
    this.shapes = new Map();
    this.waiting = new Set();
    this.map = L.map("map", { preferCanvas: true, zoomSnap: 0.5, worldCopyJump: true, attributionControl: false, minZoom: 1 }).setView([30, 10], 2);
    this.map.createPane("land").style.zIndex = 200;
    this.map.createPane("region").style.zIndex = 450;
    this.map.getPane("region").style.pointerEvents = "none";
    this.canvas = L.canvas({ padding: 0.3, tolerance: 3 });
    this.layers = Object.fromEntries(STATES.map((state) => [state, L.layerGroup().addTo(this.map)]));
    this.plan = L.layerGroup().addTo(this.map);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.fitted = false;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
    new ResizeObserver(() => this.map.invalidateSize()).observe(byId("map"));
    this.legend();
  }

  async land() {
    const answer = await fetch("/page/ne110.geojson");
    if (!answer.ok) return;
    this.coast = L.geoJSON(await answer.json(), { pane: "land", interactive: false, renderer: L.canvas({ pane: "land" }), style: () => this.landLook() }).addTo(this.map);
  }

  landLook() {
    return { color: colour("coast"), weight: 1, fillColor: colour("land"), fillOpacity: 1 };
  }

  look(state) {
    const dashed = state === "waiting" ? "5 4" : state === "failed" ? "2 4" : null;
    return { color: colour(state), weight: state === "known" ? 1 : 2, fillColor: colour(state), fillOpacity: state === "known" ? 0 : 0.22, dashArray: dashed };
  }

  stateOf(scene) {
    return scene.state === "known" && this.waiting.has(scene.id) ? "waiting" : scene.state;
  }

  /** Show scenes, new ones and those that have changed. */
  put(scenes) {
    for (const scene of scenes) {
      const key = `${scene.item_type} ${scene.id}`;
      const before = this.shapes.get(key);
      this.scenes.set(key, scene);
      const state = this.stateOf(scene);
      if (before?.state === state) continue;
      before?.shape.remove();
      before?.layer.removeLayer(before.shape);
      const shape = this.shape(scene, state);
      if (!shape) continue;
      const layer = this.layers[state] ?? this.layers.known;
      layer.addLayer(shape);
      this.shapes.set(key, { shape, state, layer });
    }
    for (const one of this.shapes.values()) if (one.state !== "known" && this.shown.has(one.state)) one.shape.bringToFront();
    this.legend();
    if (!this.fitted && this.shapes.size) this.fit();
  }

  shape(scene, state) {
    if (!scene.geometry) return null;
    let layer;
    try {
      layer = L.geoJSON(scene.geometry, { style: this.look(state), renderer: this.canvas });
    } catch {
      return null;
    }
    layer.on("click", () => this.opened(scene.id));
    layer.bindTooltip(() => {
      const tip = document.createElement("span");
      tip.textContent = `${scene.id} · ${WORDS[this.stateOf(this.scenes.get(`${scene.item_type} ${scene.id}`) ?? scene)] ?? state}`;
      return tip;
    }, { sticky: true });
    return layer;
  }

  /** Scenes of plans that wait. */
  wait(ids) {
    const touched = new Set([...ids, ...this.waiting]);
    this.waiting = new Set(ids);
    this.put([...this.scenes.values()].filter((scene) => touched.has(scene.id)));
  }

  fit() {
    const bounds = L.featureGroup([...this.shapes.values()].map((one) => one.shape)).getBounds();
    if (bounds.isValid()) this.map.fitBounds(bounds, { padding: [24, 24], maxZoom: 11, animate: false });
    this.fitted = true;
  }

  /** A plan's region and scenes over all; null takes them away. */
  showPlan(plan, fit = true) {
    this.plan.clearLayers();
    if (!plan) return;
    const draw = (geometry, style) => geometry && this.plan.addLayer(L.geoJSON(geometry, { pane: "region", interactive: false, style, renderer: (this.over ??= L.canvas({ pane: "region" })) }));
    for (const scene of plan.scenes ?? []) draw(scene.geometry, { ...this.look("waiting"), fillOpacity: 0.12 });
    draw(plan.region, { color: colour("region"), weight: 3, fill: false });
    const bounds = L.featureGroup(this.plan.getLayers()).getBounds();
    if (fit && bounds.isValid()) this.map.fitBounds(bounds, { padding: [30, 30], maxZoom: 12, animate: false });
  }

  look_at(id) {
    for (const [key, one] of this.shapes) if (key.endsWith(` ${id}`)) this.map.fitBounds(one.shape.getBounds(), { padding: [60, 60], maxZoom: 11, animate: false });
  }

  repaint() {
    this.coast?.setStyle(this.landLook());
    for (const one of this.shapes.values()) one.shape.setStyle(this.look(one.state));
  }

  legend() {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const scene of this.scenes.values()) counts[this.stateOf(scene)] = (counts[this.stateOf(scene)] ?? 0) + 1;
    refill(byId("legend"), STATES.map((state) => what("label", {},
      what("input", { type: "checkbox", id: `show-${state}`, checked: this.shown.has(state), on: { change: (event) => this.toggle(state, event.target.checked) } }),
      what("span", { class: `swatch state-${state}`, "aria-hidden": "true" }), `${counts[state]} ${WORDS[state]}`)),
      what("button", { type: "button", class: "plain", id: "fit", on: { click: () => this.fit() } }, "Show all"));
  }

  toggle(state, on) {
    if (on) this.shown.add(state), this.layers[state].addTo(this.map);
    else this.shown.delete(state), this.layers[state].remove();
  }
}

/** A small picture of a plan: its scenes and region, north up. */
export function picture(plan) {
  const rings = (geometry) => !geometry ? [] : geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
  const scenes = (plan.scenes ?? []).flatMap((scene) => rings(scene.geometry));
  const region = rings(plan.region);
  const all = [...scenes, ...region].flat();
  if (!all.length) return null;
  const [xs, ys] = [all.map((p) => p[0]), all.map((p) => p[1])];
  const bound = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const [[west, east], [south, north]] = [bound(xs), bound(ys)];
  const flat = Math.cos(((south + north) / 2) * Math.PI / 180) || 1;
  const scale = 100 / Math.max((east - west) * flat, north - south, 1e-9);
  const [width, height] = [(east - west) * flat * scale, (north - south) * scale];
  const path = (parts) => parts.map((ring) => `M${ring.map(([x, y]) => `${(9 + (100 - width) / 2 + (x - west) * flat * scale).toFixed(1)} ${(9 + (100 - height) / 2 + (north - y) * scale).toFixed(1)}`).join("L")}Z`).join("");
  return drawn("svg", { class: "picture", viewBox: "0 0 118 118", role: "img", "aria-label": `Picture of ${plan.scenes?.length ?? 0} scenes${region.length ? " and their region" : ""}` },
    drawn("path", { class: "footprint", "fill-rule": "nonzero", d: path(scenes) }), drawn("path", { class: "region", d: path(region) }));
}
