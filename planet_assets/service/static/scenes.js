// The scenes of the map as a list, for those who read rather than look; and the sites with their colours.

import { get } from "/page/api.js";
import { badge, byId, refill, table, what, when } from "/page/dom.js";

const MOST = 200;

export function showScenes(ground, opened) {
  const all = [...ground.scenes.values()].sort((a, b) => String(b.acquired).localeCompare(String(a.acquired)));
  const cloud = (scene) => (typeof scene.cloud_cover === "number" ? `${Math.round(scene.cloud_cover * 100)} %` : "");
  refill(byId("pane-scenes"),
    what("h2", {}, `${all.length} scenes`),
    all.length > MOST ? what("p", { class: "soft" }, `The latest ${MOST} are listed; search for the others.`) : null,
    all.length ? table(["Scene", "Taken", "Cloud", "State"], all.slice(0, MOST).map((scene) => [
      what("button", { type: "button", class: "plain", on: { click: () => opened(scene.id) } }, scene.id), when(scene.acquired), cloud(scene), badge(ground.stateOf(scene))]))
      : what("p", {}, "The library knows no scene yet: search with `planet-assets search` or a manager."));
}

export class Sites {
  constructor() {
    this.there = true;
    this.waiting = new Map();
  }

  async load() {
    try {
      this.sites = (await get("/v1/sites")).sites ?? [];
    } catch (error) {
      if (error.status !== 404) throw error;
      this.there = false;
    }
    await this.draw();
  }

  async draw() {
    const place = byId("pane-sites");
    if (!this.there || !this.sites?.length) {
      refill(place, what("h2", {}, "Sites"), what("p", {}, this.there ? "No site is named yet: `planet-assets site add`." : "This service knows no sites."));
      return;
    }
    refill(place, what("h2", {}, "Sites"), this.sites.map((site) => this.entry(site)));
  }

  entry(site) {
    const list = this.waiting.get(site.name);
    return what("article", { class: "entry" },
      what("div", { class: "row" }, badge(site.colour), what("strong", {}, site.name), what("span", { class: "soft" }, site.address ?? ""),
        what("span", { class: "soft" }, site.is_alive ? "agent at work" : site.heartbeat ? `agent last heard ${when(site.heartbeat.at)}` : "")),
      what("p", {}, `${site.present} there, ${site.wanted} on the way, ${site.failed} failed${site.bundles_outstanding ? `, ${site.bundles_outstanding} bundles outstanding` : ""}`),
      site.wanted + site.failed === 0 ? null : what("button", { type: "button", class: "plain", on: { click: () => this.wait(site) } }, "Show the waiting list"),
      list ? what("ol", {}, list.map((one) => what("li", { class: "mono" }, one._id))) : null);
  }

  async wait(site) {
    this.waiting.set(site.name, (await get(`/v1/sites/waiting?limit=50&target=${encodeURIComponent(site.name)}`)).elements);
    await this.draw();
  }
}
