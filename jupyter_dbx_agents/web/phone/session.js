// Follows a session's screen, and sends what the forms' buttons do again until its fate is known.
//
// Everything is sent one after the other, as it was tapped, each with a key by which the server does it once.  What
// has had no answer for a minute is not sent any more by itself: by then it may answer another question.
'use strict';

const REFRESH_MS = 2000;
const SLOWEST_MS = 15000;
const REQUEST_MS = 8000;
const PATIENCE_MS = 60000;
const SETTLE_MS = 1000; // a button that has just appeared is not what was meant
const MOST_FATES = 4;

const $ = id => document.getElementById(id);
const form = document.querySelector('form');
const address = form.getAttribute('action'); // form.action is its buttons, by their name
const fates = $('fates');
const screen = $('screen');
let { key, revision, what: asked } = Object.fromEntries(new FormData(form));
let count = 0;
let etag = '';
let seenAt = new Date();
let failures = 0;
let timer = 0;
let hasEnded = false;
let sending = Promise.resolve();

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
const backOff = attempt => Math.min(SLOWEST_MS, 1000 * 2 ** attempt);

async function request(url, options) {
  const answer = await fetch(url, { ...options, redirect: 'manual', signal: AbortSignal.timeout(REQUEST_MS) });
  if (answer.type === 'opaqueredirect') return { status: 401, model: { message: 'Your sign-in has expired. Reload the page.' } };
  const isOurs = (answer.headers.get('Content-Type') ?? '').startsWith('application/json');
  if (answer.status !== 304 && !isOurs && answer.status !== 403) throw new Error(`HTTP ${answer.status}`);
  key = answer.headers.get('X-Dbx-Agents-Key') ?? key;
  if (answer.status === 403) return { status: 403, model: { message: 'The server refuses this page. Reload it.' } };
  return { status: answer.status, etag: answer.headers.get('Etag'), model: isOurs ? await answer.json() : null };
}

// ---- the screen

function show(model) {
  const isAtEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 40;
  $('title').textContent = document.title = model.title;
  $('doing').textContent = model.doing;
  $('doing').dataset.state = model.state;
  $('age').textContent = model.age && `for ${model.age}`;
  $('what').textContent = model.what;
  screen.textContent = model.screen || model.problem;
  if (isAtEnd) screen.scrollTop = screen.scrollHeight;
  $('news').hidden = !model.is_news;
  const answer = $('answer');
  const isOther = String(model.revision) !== revision || model.what !== asked;
  if (model.asks && (answer.hidden || isOther)) {
    answer.disabled = true;
    setTimeout(() => { answer.disabled = false; }, SETTLE_MS);
  }
  answer.hidden = !model.asks;
  revision = String(model.revision);
  asked = model.what;
}

async function refresh() {
  clearTimeout(timer);
  try {
    const found = await request(`${address}/screen`, { headers: etag ? { 'If-None-Match': etag } : {} });
    if (found.status === 200) {
      etag = found.etag;
      show(found.model);
    } else if (found.status !== 304) {
      hasEnded = found.status === 404;
      throw new Error(found.model.message);
    }
    failures = 0;
    seenAt = new Date();
    $('line').textContent = '';
  } catch (error) {
    failures += 1;
    const what = hasEnded || error.message.endsWith('.') ? error.message : 'Offline.';
    $('line').textContent = `${what} The screen is of ${seenAt.toLocaleTimeString()}.`;
  }
  clearTimeout(timer);
  if (!document.hidden && !hasEnded) timer = setTimeout(refresh, failures ? backOff(failures) : REFRESH_MS);
}

// ---- what is done

function fateOf(what) {
  const line = document.createElement('li');
  line.dataset.fate = 'waiting';
  line.textContent = `${what}: sending…`;
  fates.append(line);
  while (fates.children.length > MOST_FATES) fates.firstChild.remove();
  return line;
}

function settle(line, fate, text) {
  line.dataset.fate = fate;
  line.textContent = text;
}

async function send(body, what, line, text) {
  const begin = Date.now();
  for (let attempt = 0; Date.now() - begin < PATIENCE_MS; attempt++) {
    try {
      const { status, model } = await request(address, { method: 'POST', body, headers: { Accept: 'application/json' } });
      const isDone = status === 200;
      settle(line, isDone ? 'done' : 'refused', isDone ? model.message : `${what}: ${model.message} ${model.hint ?? ''}`);
      if (!isDone && text && !$('text').value) $('text').value = text;
      return refresh();
    } catch {
      line.textContent = `${what}: no answer yet, trying again (${attempt + 1})…`;
      await pause(backOff(attempt));
    }
  }
  settle(line, 'unknown', `${what}: no answer. It may have arrived. `);
  const again = document.createElement('button');
  again.type = 'button';
  again.textContent = 'Try again';
  again.onclick = () => {
    settle(line, 'waiting', `${what}: sending…`);
    queue(() => send(body, what, line, text));
  };
  line.append(again);
}

function queue(task) {
  sending = sending.then(task, task);
}

form.addEventListener('submit', event => {
  event.preventDefault();
  const button = event.submitter;
  if (!button) return;
  const body = new URLSearchParams(new FormData(form, button));
  count += 1;
  body.set('key', `${key}.${count}`);
  body.set('revision', revision);
  body.set('what', asked);
  const isText = ['send', 'type'].includes(button.value);
  const text = isText ? $('text').value : '';
  if (!isText) body.delete('text');
  if (isText) $('text').value = '';
  const what = isText ? `“${text.slice(0, 30)}${text.length > 30 ? '…' : ''}”` : button.textContent.trim();
  const line = fateOf(what);
  queue(() => send(body, what, line, text));
});

$('refresh').addEventListener('click', event => {
  event.preventDefault();
  refresh();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
window.addEventListener('online', () => refresh());
screen.scrollTop = screen.scrollHeight;
refresh();
