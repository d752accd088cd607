// The call for attention, made in code: no file to load, nothing that can be missing. It repeats until somebody acknowledges.

import { held, isCalling, now } from "./store.js";

const KEPT = "scanward.sound";
// Pulses as wards know them from other devices: three and two for critical, three for urgent. Hz, seconds from the start.
const CALLS = {
  critical: { pitch: 880, starts: [0, 0.2, 0.4, 0.75, 0.95], length: 0.14, every: 10 },
  urgent: { pitch: 587, starts: [0, 0.3, 0.6], length: 0.18, every: 30 },
};
const LOUDNESS = 0.25;

let context = null;
let lastCall = { critical: -Infinity, urgent: -Infinity };
let changed = () => {};

export function onSoundChange(handler) {
  changed = handler;
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/** Whether the user wants it. IT looks at boxes, not at patients: silent unless asked for. */
export function isWanted() {
  const choice = kept();
  return choice === null ? held().session?.role !== "it" : choice === "on";
}

/** `on`, `off`, or `blocked`: browsers let a page sound only after a click or a key. */
export function soundState() {
  if (!isWanted()) return "off";
  return context?.state === "running" ? "on" : "blocked";
}

export function setWanted(wanted) {
  try {
    localStorage.setItem(KEPT, wanted ? "on" : "off");
  } catch {
    // not kept, then
  }
  if (wanted) unlock();
  changed();
}

/** To be called from a click or a key. */
export async function unlock() {
  if (!isWanted()) return;
  try {
    context ??= new AudioContext();
    context.onstatechange = () => changed();
    await context.resume();
  } catch {
    context = null; // a machine without sound
  }
  changed();
}

/** Once a second: sounds when something calls and its time has come; at once for something `fresh`. */
export function tick(fresh = false) {
  if (soundState() !== "on") return;
  const { findings, acksSent } = held();
  // Where a nurse has just acknowledged, the station is silent; the box's answer is on its way.
  const calling = [...findings.values()].filter((finding) => isCalling(finding) && !acksSent.has(finding.id));
  for (const priority of ["critical", "urgent"]) {
    if (!calling.some((finding) => finding.priority === priority)) {
      lastCall[priority] = -Infinity;
      continue;
    }
    if (fresh || (now() - lastCall[priority]) / 1000 >= CALLS[priority].every) {
      lastCall[priority] = now();
      play(CALLS[priority]);
    }
    return; // one call at a time, the more urgent one
  }
}

/** One short low tone: this station shows no alerts any more. */
export function playSignedOut() {
  if (soundState() === "on") play({ pitch: 330, starts: [0, 0.5], length: 0.35 });
}

function play({ pitch, starts, length }) {
  for (const start of starts) {
    const at = context.currentTime + start;
    const envelope = context.createGain();
    envelope.gain.setValueAtTime(0, at);
    envelope.gain.linearRampToValueAtTime(LOUDNESS, at + 0.015);
    envelope.gain.setValueAtTime(LOUDNESS, at + length - 0.03);
    envelope.gain.linearRampToValueAtTime(0, at + length);
    envelope.connect(context.destination);
    for (const [overtone, share] of [[1, 0.6], [2, 0.25], [3, 0.15]]) {
      const tone = context.createOscillator();
      const level = context.createGain();
      tone.frequency.value = pitch * overtone;
      level.gain.value = share;
      tone.connect(level).connect(envelope);
      tone.start(at);
      tone.stop(at + length);
    }
  }
}
