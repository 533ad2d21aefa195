/** The chart library as a chunk of its own. */

import 'uplot/dist/uPlot.min.css';

export { default } from 'uplot';
