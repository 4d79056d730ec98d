// What the whole page knows: the route, the data that is shown, the last status.

export const app = { route: null, data: null, staleAfterMs: null, readAt: 0, statusAt: 0 };
