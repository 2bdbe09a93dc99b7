// Entry script of a location in strict mode: the same, and the guards' class for its binding.

export { SessionGuard } from '../../build/index.js';
export { default } from './location.mjs';
