import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const MOST_MODULES = 12;
// Each imports from itself and from what stands above it; biome refuses cycles of modules.
const LEVELS = [
  ['text'],
  ['server'],
  ['settings', 'status'],
  ['screen', 'widgets'],
  ['tabs'],
  ['attention', 'continuity', 'files', 'phone', 'terminals', 'token'],
  ['launcher', 'panel'],
  ['menu'],
  ['index']
];
const MODULES = readdirSync('src', { recursive: true, encoding: 'utf-8' }).filter(name =>
  /\.tsx?$/.test(name)
);

/** Return the folder that a module is in, or the name of one at the root. */
function placeOf(module: string): string {
  return module.split('/')[0]?.replace(/\.tsx?$/, '') ?? '';
}

/** Return the places that a module imports from. */
function importsOf(module: string): string[] {
  const text = readFileSync(path.join('src', module), 'utf-8');
  return [...text.matchAll(/(?:from|import\() ?'(\.[^']*)'/g)].map(([, target = '']) =>
    placeOf(path.join(path.dirname(module), target))
  );
}

test('the root holds three modules and a folder for each subject', () => {
  assert.deepEqual([...new Set(MODULES.map(placeOf))].sort(), LEVELS.flat().sort());
});

test('no folder holds more than a dozen modules', () => {
  for (const folder of LEVELS.flat()) {
    const count = MODULES.filter(module => placeOf(module) === folder).length;
    assert.ok(count <= MOST_MODULES, `${folder} holds ${count}`);
  }
});

test('imports go down', () => {
  const level = (place: string) => LEVELS.findIndex(places => places.includes(place));
  for (const module of MODULES) {
    const own = placeOf(module);
    const wrong = importsOf(module).filter(place => place !== own && level(place) >= level(own));
    assert.deepEqual(wrong, [], module);
  }
});
