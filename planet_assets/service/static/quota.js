// The quota as a bar: what is used, what is pending, and where an even pace would be.

import { byId, drawn, km2, refill, what, when } from "/page/dom.js";

export function showQuota(quota) {
  const place = byId("quota");
  if (!quota.known) {
    const pending = quota.pending_km2 ? ` ${km2(quota.pending_km2)} are pending by the ledger here.` : "";
    refill(place, what("div", { class: "quota-line" }, what("strong", {}, "Quota unknown"), what("span", { class: "soft" }, `Nobody has told this library what may be used.${pending}`)));
    return;
  }
  const limit = Math.max(quota.limit_km2, 1e-9);
  const part = (value) => Math.max(0, Math.min(1, value / limit)) * 1000;
  const used = part(quota.used_km2);
  const pending = Math.min(1000 - used, part(quota.pending_km2));
  const over = quota.used_km2 + quota.pending_km2 > quota.limit_km2;
  const pace = quota.month?.pace_km2;
  const words = `${km2(quota.remaining_km2)} left of ${km2(quota.limit_km2)}: ${km2(quota.used_km2)} used, ${km2(quota.pending_km2)} pending`;
  const bar = drawn("svg", { viewBox: "0 0 1000 22", preserveAspectRatio: "none", role: "img", "aria-label": words },
    drawn("rect", { class: "bar-ground", x: 0, y: 2, width: 1000, height: 18, rx: 4 }),
    drawn("rect", { class: over ? "bar-over" : "bar-used", x: 0, y: 2, width: used, height: 18 }),
    drawn("rect", { class: "bar-pending", x: used, y: 2, width: pending, height: 18 }),
    pace === null || pace === undefined ? null : drawn("line", { class: "bar-pace", x1: part(pace), x2: part(pace), y1: 0, y2: 22, "vector-effect": "non-scaling-stroke" }));
  const ahead = pace === null || pace === undefined ? null : quota.used_km2 + quota.pending_km2 - pace;
  refill(place,
    what("div", { class: "quota-line" },
      what("strong", {}, `${km2(quota.remaining_km2)} left`), what("span", {}, `of ${km2(quota.limit_km2)} ${quota.interval}`),
      what("span", { class: "key key-used" }, `${km2(quota.used_km2)} used`),
      what("span", { class: "key key-pending" }, `${km2(quota.pending_km2)} pending`),
      ahead === null ? null : what("span", { class: "key key-pace" }, `${km2(Math.abs(ahead))} ${ahead > 0 ? "above" : "below"} an even pace`),
      what("span", { class: "soft" }, [quota.plan, quota.resets_at ? `resets ${when(quota.resets_at)}` : "", quota.as_of ? `told by ${quota.source} ${when(quota.as_of)}` : ""].filter(Boolean).join(" · "))),
    bar);
}
