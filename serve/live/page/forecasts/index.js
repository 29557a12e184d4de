// The forecasts that the page offers, in the order of its picker; the first one is chosen at the start.
//
// A forecast is a module with
//   name: what the picker calls it,
//   predict(points) -> line: points are [{time, value}] of the shown window, oldest first, time in ms since 1970;
//   line is [{time, value, lower, upper}], and empty where nothing can be told. Times may go on after the last point.
// Another forecast is a file beside this one and a line here.

import * as trend from "./trend.js";

export const forecasts = [trend];
