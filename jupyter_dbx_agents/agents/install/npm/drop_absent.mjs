// Drops what the registry does not have from the lock in the current folder: a registry without
// the programs of every platform makes a lock that npm ci refuses.  Part of `make lock`.
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const { optionalDependencies = {} } of Object.values(lock.packages)) {
  for (const name of Object.keys(optionalDependencies)) {
    if (!(`node_modules/${name}` in lock.packages)) {
      delete optionalDependencies[name];
    }
  }
}
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
