// What the page keeps between visits, in IndexedDB: values by name. Where the browser refuses (a private window), nothing is kept.
function database() {
  return new Promise((done, fail) => {
    const request = indexedDB.open('ghostflow-demo', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('kept');
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}
async function use(mode, f) {
  const db = await database();
  try {
    return await new Promise((done, fail) => {
      const transaction = db.transaction('kept', mode), request = f(transaction.objectStore('kept'));
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error);
    });
  } finally {
    db.close();
  }
}
export const load = (name) => use('readonly', (s) => s.get(name)).catch(() => undefined);
/** False: it could not be kept. */
export const save = (name, value) => use('readwrite', (s) => s.put(value, name)).then(() => true, () => false);
export const forget = (name) => use('readwrite', (s) => s.delete(name)).catch(() => undefined);
