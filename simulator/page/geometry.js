// Places, lengths and speeds. Pure: no document, no clock.
// Lengths in metres, times in ms since 1970, angles in degrees; x grows to the east, y to the north.

const METRES_PER_DEGREE = 111_320;
const COMPASS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const STEADY_S = 3; // arrivals jitter: closer together they say nothing about speed
const MEMORY_S = 60; // nor does a position from before a silence

export const when = (position) => Date.parse(position.received);

// Metres east and north of an origin. Good to a few per mille over the tens of kilometres that a track spans.
export function project(origin, point) {
  const turn = ((point.longitude - origin.longitude + 540) % 360) - 180;
  return {
    x: turn * METRES_PER_DEGREE * Math.cos((origin.latitude * Math.PI) / 180),
    y: (point.latitude - origin.latitude) * METRES_PER_DEGREE,
  };
}

// Metres per second and course between the last position and one at least 3 s before it; null while there is none.
export function motion(positions) {
  const last = positions.at(-1);
  for (let index = positions.length - 2; index >= 0; index -= 1) {
    const seconds = (when(last) - when(positions[index])) / 1000;
    if (seconds < STEADY_S) continue;
    if (seconds > MEMORY_S) return null;
    const step = project(positions[index], last);
    return { speed: Math.hypot(step.x, step.y) / seconds, course: ((Math.atan2(step.x, step.y) * 180) / Math.PI + 360) % 360 };
  }
  return null;
}

export const compass = (course) => COMPASS[Math.round(course / 45) % 8];

// 1, 2 or 5 times a power of ten, at least `least`.
export function niceLength(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((length) => length >= least * 0.999);
}

export const lengthText = (metres) => (metres >= 1000 ? `${+(metres / 1000).toPrecision(3)} km` : `${+metres.toPrecision(3)} m`);

// The box around points, widened to `around` metres about the last of them; null without points.
export function boxOf(points, around = 0) {
  if (!points.length) return null;
  const box = { left: Infinity, right: -Infinity, low: Infinity, high: -Infinity };
  const take = (x, y) => {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.low = Math.min(box.low, y);
    box.high = Math.max(box.high, y);
  };
  for (const { x, y } of points) take(x, y);
  // A hopeless accuracy does not hide the track.
  const reach = Math.min(around, Math.max(500, 2 * Math.max(box.right - box.left, box.high - box.low)));
  const last = points.at(-1);
  take(last.x - reach, last.y - reach);
  take(last.x + reach, last.y + reach);
  return box;
}
