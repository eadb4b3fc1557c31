/** Return the origin of an API's WebSockets: `ws:` for `http:`, and `wss:` for `https:`. */
export const socketOrigin = (apiUrl: string): string => apiUrl.replace(/^http/, "ws");
