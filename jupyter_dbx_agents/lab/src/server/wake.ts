/**
 * When the page should check its connections: a laptop that slept or changed its network is not
 * notified that they are dead, and polling them would cost every user all the time.
 */

// Shorter is a glance at another tab, not a sleep.
const ASLEEP_MILLISECONDS = 10_000;

/** Call back after each such moment; return a function that stops it. */
export function onWake(callback: () => void): () => void {
  let hiddenAt = Date.now();
  const onVisibility = (): void => {
    if (document.hidden) {
      hiddenAt = Date.now();
    } else if (Date.now() - hiddenAt > ASLEEP_MILLISECONDS) {
      callback();
    }
  };
  window.addEventListener('online', callback);
  document.addEventListener('visibilitychange', onVisibility);
  return () => {
    window.removeEventListener('online', callback);
    document.removeEventListener('visibilitychange', onVisibility);
  };
}
