// Jobs as they go, and the queue behind them.

import { get } from "/page/api.js";
import { badge, byId, km2, refill, size, table, what, when } from "/page/dom.js";

const ENDED = new Set(["completed", "failed", "expired", "user_cancelled"]);

export class Jobs {
  constructor({ opened, counted }) {
    this.opened = opened;
    this.counted = counted;
    this.jobs = [];
    this.queue = [];
  }

  async load() {
    [this.jobs, this.queue] = [(await get("/v1/jobs?limit=100")).jobs, (await get("/v1/queue")).entries];
    this.draw();
  }

  /** Bytes as they come; nothing is asked of the service for them. */
  progress(moving) {
    let changed = false;
    for (const job of this.jobs) {
      const now = moving[job.id];
      if (now) Object.assign(job, now), changed = true;
    }
    if (changed) this.draw();
  }

  draw() {
    const moving = this.jobs.filter((job) => !ENDED.has(job.status));
    const ended = this.jobs.filter((job) => ENDED.has(job.status)).slice(0, 60);
    this.counted(moving.length);
    refill(byId("pane-jobs"),
      what("h2", {}, moving.length ? `${moving.length} under way` : "Nothing is being fetched"),
      moving.map((job) => this.entry(job)),
      this.queue.length ? [what("h2", {}, "Queue"), table(["Scenes", "State", "By", "Priority"], this.queue.map((one) => [one.scene_count, [badge(one.state), " ", one.reason], one.by, one.priority]))] : null,
      ended.length ? what("h2", {}, "Ended") : null,
      ended.map((job) => this.entry(job)));
  }

  entry(job) {
    const known = job.size_bytes > 0 && !ENDED.has(job.status);
    return what("article", { class: "entry", "data-job": job.id },
      what("div", { class: "row" }, badge(job.status),
        what("button", { type: "button", class: "plain", on: { click: () => this.opened(job.scene_id) } }, job.scene_id),
        what("span", { class: "soft" }, `${job.asset_type} · ${km2(job.spent_km2 || job.held_km2)}`)),
      known ? what("progress", { max: job.size_bytes, value: job.bytes_done, "aria-label": `${job.scene_id}: ${size(job.bytes_done)} of ${size(job.size_bytes)}` }) : null,
      known ? what("p", { class: "soft" }, `${size(job.bytes_done)} of ${size(job.size_bytes)}`) : null,
      job.error_message ? what("p", { class: "problem" }, job.error_message) : null,
      job.look_again_at ? what("p", { class: "soft" }, `next look ${when(job.look_again_at)}`) : null);
  }
}
