// Follows a topic of an ordo server over a WebSocket, comes back by itself and goes on where it was (frames: asyncapi.yaml).
//   const stop = follow('ws://127.0.0.1:8080/ws', 'order:<id>', { snapshot: show, event: show, closed: code => ... });
function follow(url, topic, hear) {
  let position = null, epoch = null, pause = 250, stopped = false, socket, silence;
  function connect() {
    socket = new WebSocket(url, 'ordo.v1.json');
    socket.onopen = () => {
      const snapshot = topic.startsWith('order:'); // comes first, unless there is a position to resume from
      socket.send(JSON.stringify({ type: 'subscribe', id: 'a', topic, after: position, epoch, snapshot }));
    };
    socket.onmessage = message => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), 60000); // a heartbeat comes every 15 seconds
      const frame = JSON.parse(message.data);
      if (frame.type === 'subscribed') epoch = frame.epoch; else if (frame.type === 'caught_up') pause = 250;
      if (hear[frame.type]) hear[frame.type](frame); // subscribed, reset, snapshot, event, caught_up, fell_behind, error
      if (frame.position !== undefined) position = frame.position; // from here it would go on
      if (frame.type === 'error' && frame.problem.status >= 500) socket.close(); // the subscription has ended: come back
    };
    socket.onclose = close => {
      clearTimeout(silence);
      if (hear.closed) hear.closed(close.code);
      if (stopped || (close.code >= 4500 && close.code < 5000)) return; // the server does not want this client
      setTimeout(connect, pause * (0.5 + Math.random())); // not all at once
      pause = Math.min(pause * 2, 10000);
    };
  }
  connect();
  return () => { stopped = true; socket.close(); };
}
